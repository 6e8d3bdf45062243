-- Take the gates (advisory locks) of job names, so that clients notify when they make rows ready.
-- Returns the gates that it did not get: their holder is another daemon that sleeps, somebody else who has it
-- exclusively (then clients notify already: `is_daemons`), or an open transaction of a client.
with tried as materialized (
    select gate.key, pg_try_advisory_lock('asyncjob.job'::regclass::integer, gate.key) as is_ours
      from (select distinct asyncjob.gate_key(served.name) as key
              from unnest(:names::text[]) as served (name)) as gate
)
select tried.key,
       exists (select from pg_locks as held
                where held.locktype = 'advisory' and held.objsubid = 2 and held.mode = 'ExclusiveLock'
                  and held.granted
                  and held.database = (select pg_database.oid from pg_database
                                        where pg_database.datname = current_database())
                  and held.classid = 'asyncjob.job'::regclass::oid
                  and held.objid = tried.key::oid) as is_daemons
  from tried
 where not tried.is_ours
