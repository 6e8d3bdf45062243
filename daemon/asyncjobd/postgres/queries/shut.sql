-- Takes the locks of job names, so that clients whose rows become ready notify. Answers who has those that it did not get:
-- another daemon that sleeps (they notify already), or a client's open transaction.
with tried as materialized (
    select key, pg_try_advisory_lock(hashtext('asyncjob'), key) as is_ours
      from (select distinct asyncjob.gate_key(name) as key from unnest($1::text[]) as name) as gate
)
select key, exists (select from pg_locks
                     where locktype = 'advisory' and objsubid = 2 and mode = 'ExclusiveLock' and granted
                       and database = (select oid from pg_database where datname = current_database())
                       and classid = hashtext('asyncjob')::bit(32)::bigint::oid and objid = key::oid) as is_daemons
  from tried
 where not is_ours
