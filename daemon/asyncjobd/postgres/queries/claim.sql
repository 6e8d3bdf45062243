-- Takes ready rows of the given lanes: best priority first, then oldest. Always answers one row at least, so that
-- `seen` tells apart "nothing there" from "there, but locked by somebody"; `looked_for`: the seconds that finding took.
-- Where rows are locked, here and in the other statements, a lateral subquery leaves the planner no choice of how to
-- reach them, and a locked row stays where it is (ctid). See tests/test_plans.py.
-- $1 daemon, $2 lease, $3 how many, $4 to $8 the lanes: job names and the actions' defaults, $9 and $10 the priority and
-- id after which each is read, $11 how many of each to look at, $12 and of all: more than $3 where somebody has rows locked
with lane as materialized (
    select lane.* from unnest($4::text[], $9::smallint[], $10::bigint[], $11::integer[]) with ordinality
           as lane (name, after_priority, after_id, width, number)
),
head as materialized (
    select ready.*
      from lane
     cross join lateral (
           select job.priority, job.id, row_number() over (order by job.priority, job.id) = lane.width as is_last
             from asyncjob.job
            where job.job_name = lane.name and job.status = 'In Progress' and job.daemon_id is null
              and (job.priority, job.id) > (lane.after_priority, lane.after_id)
            order by job.priority, job.id
            limit lane.width) as ready
),
first as materialized (     -- of all; behind a lane's last there may be more of it, which goes before what others have there
    select head.priority, head.id from head
     where ((head.priority, head.id)
            <= (select last.priority, last.id from head as last where last.is_last
                 order by last.priority, last.id limit 1)) is not false
     order by head.priority, head.id
     limit $12
),
locked as materialized (
    select lane.number, job.place
      from lane
     cross join lateral (
           select job.ctid as place, job.priority, job.id from asyncjob.job
            where job.job_name = lane.name and job.status = 'In Progress' and job.daemon_id is null
              and (job.priority, job.id) > (lane.after_priority, lane.after_id)
              and (job.priority, job.id)
                  <= (select first.priority, first.id from first order by first.priority desc, first.id desc limit 1)
            order by job.priority, job.id
            limit $3
              for no key update skip locked) as job
     order by job.priority, job.id
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
           retry_interval      = coalesce(job.retry_interval, ($5::text[])[locked.number]::interval, interval '15 minutes'),
           max_execution_count = coalesce(job.max_execution_count, ($6::integer[])[locked.number], 5),
           is_recursive        = coalesce(job.is_recursive, ($7::boolean[])[locked.number], false),
           timeout             = coalesce(job.timeout, ($8::text[])[locked.number]::interval),
           schedule_time       = case when coalesce(job.is_recursive, ($7::boolean[])[locked.number], false)
                                      then coalesce(job.schedule_time, now()) else job.schedule_time end
      from locked
     where job.ctid = locked.place
    returning job.id, job.job_name, job.params, job.execution_count, job.execution_total, job.max_execution_count,
              job.is_recursive, job.priority, job.parent_id, job.unique_key, job.schedule_time, job.created_by,
              job.occurrence, job.traceparent, date_part('epoch', job.created_at) as created_at,
              date_part('epoch', job.timeout) as timeout, date_part('epoch', now() - job.due_at) as waited
)
select (select count(*) from first) as seen,
       (select extract(epoch from clock_timestamp() - statement_timestamp())::float8) as looked_for,
       claimed.*
  from (values (1)) as always left join claimed on true
