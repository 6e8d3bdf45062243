-- Takes ready rows of the given lanes: best priority first, then oldest. Always answers one row at least, so that
-- `seen` tells apart "nothing there" from "there, but locked by somebody"; `looked_for`: the seconds that finding took.
-- Where rows are locked, here and in the other statements, a lateral subquery leaves the planner no choice of how to
-- reach them, and `coalesce` is served by no partial index. A locked row stays where it is (ctid). See tests/test_plans.py.
-- $1 daemon, $2 lease, $3 how many, $4 to $8 the lanes: job names and the actions' defaults, $9 and $10 the priority and
-- id after which each is read, $11 how many to look at: more than $3 where somebody has rows locked
with candidate as materialized (
    select lane.*, ready.*
      from unnest($4::text[], $5::text[]::interval[], $6::integer[], $7::boolean[], $8::text[]::interval[],
                  $9::smallint[], $10::bigint[])
           as lane (name, retry_interval, max_execution_count, is_recursive, timeout, after_priority, after_id)
     cross join lateral (
           select ctid as place, priority, id from asyncjob.job
            where job_name = lane.name and status = 'In Progress' and daemon_id is null
              and (priority, id) > (lane.after_priority, lane.after_id)
            order by priority, id
            limit $11) as ready
     order by ready.priority, ready.id
     limit $11
),
locked as materialized (
    select candidate.*
      from (select * from candidate order by id) as candidate
     cross join lateral (
           select from asyncjob.job
            where ctid = candidate.place and status = 'In Progress' and coalesce(daemon_id, 0) = 0
              for no key update skip locked) as job
     limit $3
),
claimed as (
    update asyncjob.job
       set daemon_id           = $1,
           lease               = $2,
           started_at          = now(),
           execution_count     = least(job.execution_count, 2147483646) + 1,
           execution_total     = least(job.execution_total, 2147483646) + 1,
           progress            = null,
           progress_message    = null,
           retry_interval      = coalesce(job.retry_interval, locked.retry_interval, interval '15 minutes'),
           max_execution_count = coalesce(job.max_execution_count, locked.max_execution_count, 5),
           is_recursive        = coalesce(job.is_recursive, locked.is_recursive, false),
           timeout             = coalesce(job.timeout, locked.timeout),
           schedule_time       = case when coalesce(job.is_recursive, locked.is_recursive, false)
                                      then coalesce(job.schedule_time, now()) else job.schedule_time end
      from locked
     where job.ctid = locked.place
    returning job.id, job.job_name, job.params, job.execution_count, job.execution_total, job.max_execution_count,
              job.is_recursive, job.priority, job.parent_id, job.unique_key, job.schedule_time, job.created_by,
              date_part('epoch', job.timeout) as timeout, date_part('epoch', now() - job.due_at) as waited
)
select (select count(*) from candidate) as seen,
       (select extract(epoch from clock_timestamp() - statement_timestamp())::float8) as looked_for,
       claimed.*
  from (values (1)) as always left join claimed on true
