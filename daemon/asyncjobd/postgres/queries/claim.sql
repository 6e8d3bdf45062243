-- Takes ready rows of the given lanes: best priority first, then oldest. Always answers one row at least, so that
-- `seen` tells apart "nothing there" from "there, but locked by somebody".
-- How rows are joined here and in the other statements leaves the planner one way, the primary key: with `= any (array[x])`
-- no scan of the whole key can be merged or filtered, and `coalesce` is served by no partial index. See tests/test_plans.py.
-- $1 daemon, $2 lease, $3 how many, $4 job names, $5 to $8 the actions' defaults in the order of $4,
-- $9 how many to look at: more than $3 where somebody has rows locked
with candidate as materialized (
    select ready.id, lane.n
      from unnest($4::text[]) with ordinality as lane (job_name, n)
     cross join lateral (
           select id, priority from asyncjob.job
            where job_name = lane.job_name and status = 'In Progress' and daemon_id is null
            order by priority, id
            limit $9) as ready
     order by ready.priority, ready.id
     limit $9
),
locked as materialized (
    select job.id, candidate.n
      from candidate join asyncjob.job on job.id = any (array[candidate.id])
     where job.status = 'In Progress' and coalesce(job.daemon_id, 0) = 0     -- may have changed since the snapshot
     order by candidate.id
     limit $3
       for no key update of job skip locked
),
claimed as (
    update asyncjob.job
       set daemon_id           = $1,
           lease               = $2,
           started_at          = now(),
           execution_count     = least(execution_count, 2147483646) + 1,
           execution_total     = least(execution_total, 2147483646) + 1,
           progress            = null,
           progress_message    = null,
           retry_interval      = coalesce(retry_interval, ($5::text[])[n]::interval, interval '15 minutes'),
           max_execution_count = coalesce(max_execution_count, ($6::integer[])[n], 5),
           is_recursive        = coalesce(is_recursive, ($7::boolean[])[n], false),
           timeout             = coalesce(timeout, ($8::text[])[n]::interval),
           schedule_time       = case when coalesce(is_recursive, ($7::boolean[])[n], false)
                                      then coalesce(schedule_time, now()) else schedule_time end
      from locked
     where job.id = any (array[locked.id])
    returning job.id, job_name, params, execution_count, execution_total, max_execution_count, is_recursive, priority, parent_id,
              unique_key, schedule_time, created_by, extract(epoch from timeout)::float8 as timeout,
              extract(epoch from now() - due_at)::float8 as waited
)
select (select count(*) from candidate) as seen, claimed.*
  from (values (1)) as always left join claimed on true
