-- Find why no job with an id is seen: the last id that was given out, and who may be inserting jobs.
-- What other roles do is shown to those who have pg_read_all_stats.
select pg_sequence_last_value('asyncjob.job_id_seq') as last_id,
       array(select format('pid %s (%s, %s, %s)', session.pid, session.usename, session.application_name,
                           session.state)
               from pg_locks
               join pg_stat_activity as session on session.pid = pg_locks.pid
              where pg_locks.locktype = 'relation' and pg_locks.relation = 'asyncjob.job'::regclass
                and pg_locks.database = (select base.oid from pg_database as base
                                              where base.datname = current_database())
                and pg_locks.mode = 'RowExclusiveLock' and pg_locks.granted
                and pg_locks.pid <> pg_backend_pid()
                and session.application_name not like 'asyncjobd%'
              order by session.xact_start limit 3) as writers
