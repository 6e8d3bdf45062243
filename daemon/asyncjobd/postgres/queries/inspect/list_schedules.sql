-- List the schedules, or the one of a name.
-- `paused_for`: the seconds until its pause ends, infinite for one without an end; null: it is not paused.
-- `late_for`: the seconds since its time came and no daemon has moved it on; null: it has not come.
-- `has_its_daemon`: whether the daemon whose configuration has it is there, or was a moment ago.
-- :name  null: all
select schedule.name, schedule.job_name, schedule.cron, schedule.every, schedule.time_zone, schedule.anchor,
       schedule.params::text, schedule.priority, schedule.max_execution_count, schedule.timeout,
       schedule.limit_key, schedule.catch_up, schedule.catch_up_for, schedule.overlap, schedule.jitter,
       schedule.source, schedule.configured_by,
       exists (select from asyncjob.daemon where daemon.name = schedule.configured_by) as has_its_daemon,
       schedule.next_at, schedule.last_at, schedule.last_job_id,
       schedule.problem, now(),
       case when schedule.paused_until > now()
            then date_part('epoch', schedule.paused_until) - date_part('epoch', now()) end as paused_for,
       case when greatest(schedule.next_at, schedule.paused_until) <= now()
            then date_part('epoch', now())
                 - date_part('epoch', greatest(schedule.next_at, schedule.paused_until)) end as late_for
  from asyncjob.schedule
 where :name::text is null or schedule.name = :name
 order by schedule.name
