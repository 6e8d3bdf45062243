-- Find the schedules whose times come next, with the columns that decide what becomes of them.
-- First come those whose next time is yet to be found (next_at is null), then those whose time has come.
-- `due_epoch`: when that is, in seconds since 1970. Times before `paused_until`, and those that passed more
-- than `catch_up_seconds` ago, are not caught up.
-- :left_alone  names of some that others have locked; they keep no others from being found
-- One row without a name: there are none.
with next as materialized (
    (select schedule.name, null::timestamptz as due_at
       from asyncjob.schedule
      where schedule.next_at is null and schedule.problem is null
        and schedule.name <> all (:left_alone::text[])
      order by schedule.name
      limit :limit)
    union all
    (select schedule.name, greatest(schedule.next_at, schedule.paused_until)
       from asyncjob.schedule
      where schedule.next_at is not null and greatest(schedule.next_at, schedule.paused_until) < 'infinity'
        and schedule.name <> all (:left_alone::text[])
      order by greatest(schedule.next_at, schedule.paused_until)
      limit :limit)
)
select date_part('epoch', clock_timestamp()) as now_epoch,
       coalesce(date_part('epoch', next.due_at), 0) as due_epoch,
       schedule.name, schedule.changed_at, schedule.next_at, schedule.cron, schedule.every,
       schedule.time_zone, schedule.anchor, schedule.catch_up,
       least(greatest(schedule.paused_until, '1000-01-01 UTC'), '9000-01-01 UTC') as paused_until,
       case schedule.catch_up when 'none' then 60 else date_part('epoch', schedule.catch_up_for) end
       as catch_up_seconds
  from (values (1)) as always
  left join (next join asyncjob.schedule on schedule.name = any (array[next.name])) on true
 order by next.due_at nulls first, next.name
