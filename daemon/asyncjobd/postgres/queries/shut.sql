-- Takes the locks of job names, so that clients whose rows become ready notify. Answers who has those that it did not get:
-- another daemon that sleeps (they notify already), or a client's open transaction.
with tried as materialized (
    select gate.key, pg_try_advisory_lock(hashtext('asyncjob'), gate.key) as is_ours
      from (select distinct asyncjob.gate_key(served.name) as key from unnest($1::text[]) as served (name)) as gate
)
select tried.key,
       exists (select from pg_locks
                where pg_locks.locktype = 'advisory' and pg_locks.objsubid = 2 and pg_locks.mode = 'ExclusiveLock'
                  and pg_locks.granted
                  and pg_locks.database = (select pg_database.oid from pg_database where pg_database.datname = current_database())
                  and pg_locks.classid = hashtext('asyncjob')::bit(32)::bigint::oid and pg_locks.objid = tried.key::oid) as is_daemons
  from tried
 where not tried.is_ours
