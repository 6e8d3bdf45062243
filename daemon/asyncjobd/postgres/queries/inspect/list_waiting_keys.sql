-- List the keys that have waited for the longest: three of the first 200 of each action with limits per key.
-- `waits`: the seconds for which the first ready row of the key has been ready. `ready`: its ready rows;
-- 1000: as many or more. Without a key: rows that have none, among the first 1000 ready ones.
with recursive
key (name, limit_key, number) as (
    select action.name, first.limit_key, 1
      from asyncjob.action
     cross join lateral (
           select job.limit_key from asyncjob.job
            where job.job_name = action.name and job.limit_key > ''
              and job.status = 'In Progress' and job.daemon_id is null
            order by job.limit_key limit 1) as first
     where action.is_limited and num_nonnulls(action.max_running_per_key, action.rate_per_key) > 0
     union all
    select key.name, next.limit_key, key.number + 1
      from key
     cross join lateral (
           select job.limit_key from asyncjob.job
            where job.job_name = key.name and job.limit_key > key.limit_key
              and job.status = 'In Progress' and job.daemon_id is null
            order by job.limit_key limit 1) as next
     where key.number < 200
),
waiting as (
    select key.name, key.limit_key, extract(epoch from now() - first.due_at)::float8 as waits,
           (select count(*)
              from (select from asyncjob.job
                     where job.job_name = key.name and job.limit_key = key.limit_key
                       and job.status = 'In Progress' and job.daemon_id is null
                     limit 1000) as counted) as ready
      from key
     cross join lateral (
           select job.due_at from asyncjob.job
            where job.job_name = key.name and job.limit_key = key.limit_key
              and job.status = 'In Progress' and job.daemon_id is null
            order by job.daemon_id, job.priority, job.id limit 1) as first
    union all
    select action.name, null, max(extract(epoch from now() - head.due_at)::float8), count(*)
      from asyncjob.action
     cross join lateral (
           select job.due_at, job.limit_key from asyncjob.job
            where job.job_name = action.name and job.status = 'In Progress' and job.daemon_id is null
            order by job.priority, job.id limit 1000) as head
     where action.is_limited and num_nonnulls(action.max_running_per_key, action.rate_per_key) > 0
       and head.limit_key is null
     group by action.name
)
select ranked.name, ranked.limit_key, ranked.waits, ranked.ready
  from (select waiting.name, waiting.limit_key, waiting.waits, waiting.ready,
               row_number() over (partition by waiting.name, waiting.limit_key is null
                                  order by waiting.waits desc, waiting.limit_key) as place
          from waiting) as ranked
 where ranked.place <= 3
 order by ranked.name, ranked.place, ranked.limit_key
