-- Find what keeps a ready job from starting by the limits of its action; no row: the action has none.
-- `running` and `running_of_key` are what runs, in all daemons; `next_start_in` and `next_of_key_in` the
-- seconds until a rate allows a start, null: now. At most :max_counted jobs of its key before it are counted.
select limits.max_running, limits.running, limits.rate,
       date_part('epoch', limits.next_start_at - now()) as next_start_in,
       job.limit_key, limits.max_running_per_key, limits.rate_per_key, free.seconds as next_of_key_in,
       (select count(*) from asyncjob.job as owned
         where owned.job_name = job.job_name and owned.limit_key = job.limit_key
           and owned.daemon_id is not null) as running_of_key,
       (select count(*)
          from (select from asyncjob.job as other
                 where other.job_name = job.job_name and other.limit_key = job.limit_key
                   and other.status = 'In Progress' and other.daemon_id is null
                   and (other.priority, other.id) < (job.priority, job.id)
                 limit :max_counted) as first) as before_of_key
  from asyncjob.job
  join asyncjob.action on action.name = job.job_name
  join asyncjob.limits on limits.name = job.job_name
  left join lateral asyncjob.starts_left(
       action.name, job.limit_key, action.seconds_per_start_per_key, action.burst) as free
    on action.rate_per_key is not null and job.limit_key is not null
 where job.id = :job_id
