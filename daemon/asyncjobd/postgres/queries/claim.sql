-- Takes ready rows of the given lanes: best priority first, then oldest. Always answers one row at least, so that
-- `seen` tells apart "nothing there" from "there, but locked by somebody"; `looked_for`: the seconds that finding took.
-- Where rows are locked, here and in the other statements, a lateral subquery leaves the planner no choice of how to
-- reach them, and a locked row stays where it is (ctid). See tests/test_plans.py.
-- $1 daemon, $2 lease, $3 how many, $4 to $8 the lanes: job names and the actions' defaults, $9 and $10 the priority and
-- id after which each is read, $11 how many of each to look at, $12 and of all: more than $3 where somebody has rows locked
with lane as materialized (
    select * from unnest($4::text[], $9::smallint[], $10::bigint[], $11::integer[]) with ordinality
           as lane (name, after_priority, after_id, width, number)
),
head as materialized (
    select ready.*
      from lane
     cross join lateral (
           select priority, id, row_number() over (order by priority, id) = lane.width as is_last from asyncjob.job
            where job_name = lane.name and status = 'In Progress' and daemon_id is null
              and (priority, id) > (lane.after_priority, lane.after_id)
            order by priority, id
            limit lane.width) as ready
),
first as materialized (     -- of all; behind a lane's last there may be more of it, which goes before what others have there
    select priority, id from head
     where ((priority, id) <= (select priority, id from head where is_last order by priority, id limit 1)) is not false
     order by priority, id
     limit $12
),
locked as materialized (
    select number, place
      from lane
     cross join lateral (
           select ctid as place, priority, id from asyncjob.job
            where job_name = lane.name and status = 'In Progress' and daemon_id is null
              and (priority, id) > (lane.after_priority, lane.after_id)
              and (priority, id) <= (select priority, id from first order by priority desc, id desc limit 1)
            order by priority, id
            limit $3
              for no key update skip locked) as job
     order by priority, id
     limit $3
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
           retry_interval      = coalesce(retry_interval, ($5::text[])[number]::interval, interval '15 minutes'),
           max_execution_count = coalesce(max_execution_count, ($6::integer[])[number], 5),
           is_recursive        = coalesce(is_recursive, ($7::boolean[])[number], false),
           timeout             = coalesce(timeout, ($8::text[])[number]::interval),
           schedule_time       = case when coalesce(is_recursive, ($7::boolean[])[number], false)
                                      then coalesce(schedule_time, now()) else schedule_time end
      from locked
     where job.ctid = locked.place
    returning id, job_name, params, execution_count, execution_total, max_execution_count, is_recursive, priority,
              parent_id, unique_key, schedule_time, created_by, occurrence, traceparent,
              date_part('epoch', created_at) as created_at,
              date_part('epoch', timeout) as timeout, date_part('epoch', now() - due_at) as waited
)
select (select count(*) from first) as seen,
       (select extract(epoch from clock_timestamp() - statement_timestamp())::float8) as looked_for,
       claimed.*
  from (values (1)) as always left join claimed on true
