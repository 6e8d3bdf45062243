-- Find what keeps a ready job from starting by the limits of its action; no row: the job is gone.
-- `running` and `running_of_key` are what runs, in all daemons; `holders` and `holders_of_key` those two that
-- began first; `next_start_in` and `next_of_key_in` the seconds until a rate allows a start, null: now.
-- At most :max_counted jobs of its key before it are counted.
select action.max_running, action.max_running_per_key, action.rate, action.rate_per_key, job.limit_key,
       asyncjob.count_running(action.name, null) as running,
       array(select owned.id from asyncjob.job as owned
              where owned.job_name = job.job_name and owned.daemon_id is not null
              order by owned.started_at, owned.id limit 2) as holders,
       (select count(*) from asyncjob.job as owned
         where owned.job_name = job.job_name and owned.limit_key = job.limit_key
           and owned.daemon_id is not null) as running_of_key,
       array(select owned.id from asyncjob.job as owned
              where owned.job_name = job.job_name and owned.limit_key = job.limit_key
                and owned.daemon_id is not null
              order by owned.started_at, owned.id limit 2) as holders_of_key,
       (select free.seconds
          from asyncjob.starts_left(action.name, '', action.seconds_per_start, action.burst) as free
         where action.rate is not null) as next_start_in,
       (select free.seconds
          from asyncjob.starts_left(
               action.name, job.limit_key, action.seconds_per_start_per_key, action.burst) as free
         where action.rate_per_key is not null and job.limit_key is not null) as next_of_key_in,
       (select count(*)
          from (select from asyncjob.job as other       -- ready ones, in the words of the index job_keyed
                 where other.job_name = job.job_name and other.limit_key = job.limit_key
                   and (other.status = 'In Progress' or other.daemon_id is not null)
                   and other.daemon_id is null
                   and (other.priority, other.id) < (job.priority, job.id)
                 limit :max_counted) as first) as before_of_key
  from asyncjob.job
  join asyncjob.action on action.name = job.job_name
 where job.id = :job_id
