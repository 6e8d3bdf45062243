-- Write the schedules of a daemon's configuration, and pause those of its own that are not there any more.
-- One that was paused by that goes on once it is there again; what has not changed is not written.
-- :schedules  a JSON array of objects by the columns; null: the default
with configured as materialized (
    select each.*
      from jsonb_to_recordset(:schedules::text::jsonb) as each (
           name text, job_name text, cron text, every interval, time_zone text, anchor timestamptz,
           params jsonb, priority smallint, max_execution_count integer, timeout interval, limit_key text,
           catch_up text, catch_up_for interval, overlap text, jitter interval)
),
gone as materialized (
    select schedule.name from asyncjob.schedule
     where schedule.configured_by = :daemon_name
       and not exists (select from configured where configured.name = schedule.name)
     order by schedule.name
       for no key update
),
paused as (
    update asyncjob.schedule set paused_until = 'infinity', configured_by = null
      from gone
     where schedule.name = any (array[gone.name])
    returning schedule.name
),
written as (
    insert into asyncjob.schedule (name, job_name, cron, every, time_zone, anchor, params, priority,
                                   max_execution_count, timeout, limit_key, catch_up, catch_up_for, overlap,
                                   jitter, source, configured_by)
    select configured.name, configured.job_name, configured.cron, configured.every, configured.time_zone,
           coalesce(configured.anchor, '2001-01-01 UTC'), configured.params, configured.priority,
           configured.max_execution_count, configured.timeout, configured.limit_key, configured.catch_up,
           configured.catch_up_for, configured.overlap, configured.jitter, 'file', :daemon_name
      from configured
     order by configured.name
        on conflict (name) do update
       set job_name = excluded.job_name, cron = excluded.cron, every = excluded.every,
           time_zone = excluded.time_zone, anchor = excluded.anchor, params = excluded.params,
           priority = excluded.priority, max_execution_count = excluded.max_execution_count,
           timeout = excluded.timeout, limit_key = excluded.limit_key, catch_up = excluded.catch_up,
           catch_up_for = excluded.catch_up_for, overlap = excluded.overlap, jitter = excluded.jitter,
           source = 'file', configured_by = excluded.configured_by,
           paused_until = case when schedule.source = 'file' and schedule.configured_by is null
                               then null else schedule.paused_until end
     where (schedule.job_name, schedule.cron, schedule.every, schedule.time_zone, schedule.anchor,
            schedule.params, schedule.priority, schedule.max_execution_count, schedule.timeout,
            schedule.limit_key, schedule.catch_up, schedule.catch_up_for, schedule.overlap, schedule.jitter,
            schedule.configured_by)
           is distinct from
           (excluded.job_name, excluded.cron, excluded.every, excluded.time_zone, excluded.anchor,
            excluded.params, excluded.priority, excluded.max_execution_count, excluded.timeout,
            excluded.limit_key, excluded.catch_up, excluded.catch_up_for, excluded.overlap, excluded.jitter,
            excluded.configured_by)
    returning schedule.name
)
select array(select written.name from written) as written, array(select paused.name from paused) as paused
