-- Insert a schedule, a JSON object by the columns, unless there is one of its name.
insert into asyncjob.schedule (name, job_name, cron, every, time_zone, anchor, params, priority,
                               max_execution_count, timeout, limit_key, catch_up, catch_up_for, overlap,
                               jitter)
select new.name, new.job_name, new.cron, new.every, new.time_zone, coalesce(new.anchor, '2001-01-01 UTC'),
       new.params, new.priority, new.max_execution_count, new.timeout, new.limit_key, new.catch_up,
       new.catch_up_for, new.overlap, new.jitter
  from jsonb_to_record(:schedule::text::jsonb) as new (
       name text, job_name text, cron text, every interval, time_zone text, anchor timestamptz, params jsonb,
       priority smallint, max_execution_count integer, timeout interval, limit_key text, catch_up text,
       catch_up_for interval, overlap text, jitter interval)
    on conflict (name) do nothing
returning schedule.name
