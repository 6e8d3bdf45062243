-- Find the schedules whose time has come, and those whose next time is yet to be found (next_at is null).
-- `since`: times before it are not caught up. `next_epoch`: when the next schedule is due; null: none will be.
-- One row without a name: there are none.
with due as materialized (
    (select schedule.name, schedule.next_at, greatest(schedule.next_at, schedule.paused_until) as due_at
       from asyncjob.schedule
      where schedule.next_at is null and schedule.problem is null
      order by schedule.name
      limit :limit)
    union all
    (select schedule.name, schedule.next_at, greatest(schedule.next_at, schedule.paused_until)
       from asyncjob.schedule
      where schedule.next_at is not null and greatest(schedule.next_at, schedule.paused_until) <= now()
      order by greatest(schedule.next_at, schedule.paused_until)
      limit :limit)
)
select now(), date_part('epoch', now()) as now_epoch,
       (select date_part('epoch', greatest(later.next_at, later.paused_until))
          from asyncjob.schedule as later
         where later.next_at is not null and greatest(later.next_at, later.paused_until) > now()
           and greatest(later.next_at, later.paused_until) < 'infinity'
         order by greatest(later.next_at, later.paused_until)
         limit 1) as next_epoch,
       schedule.name, schedule.next_at, schedule.cron, schedule.every, schedule.time_zone,
       schedule.anchor, schedule.catch_up,
       greatest(schedule.paused_until, now() - case schedule.catch_up when 'none' then interval '1 minute'
                                                    else schedule.catch_up_for end) as since
  from (values (1)) as always
  left join (due join asyncjob.schedule on schedule.name = any (array[due.name])) on true
 order by due.due_at, due.name
