-- List the open transactions that have written or locked jobs, but for our own, the oldest first.
-- What other roles do is shown to those who have pg_read_all_stats.
select session.pid, session.usename as role, session.application_name as application, session.state,
       extract(epoch from clock_timestamp() - session.xact_start)::float8 as seconds,
       extract(epoch from clock_timestamp() - session.state_change)::float8 as idle_for
  from pg_locks
  join pg_stat_activity as session on session.pid = pg_locks.pid
 where pg_locks.locktype = 'relation' and pg_locks.relation = 'asyncjob.job'::regclass
   and pg_locks.database = (select base.oid from pg_database as base
                                 where base.datname = current_database())
   and pg_locks.mode in ('RowShareLock', 'RowExclusiveLock') and pg_locks.granted
   and pg_locks.pid <> pg_backend_pid() and session.application_name not like 'asyncjobd%'
 group by session.pid, session.usename, session.application_name, session.state, session.xact_start,
          session.state_change
 order by session.xact_start
