-- asyncjob, version 3: to what a job belongs in a distributed trace.

-- The client's: the span that asked for the job, as a traceparent of W3C Trace Context. What it says is up to those who
-- trace; text that is none says nothing.
alter table asyncjob.job add column traceparent text;

create or replace function asyncjob.refuse_daemon_columns(before jsonb, after jsonb) returns void language plpgsql as $$
declare
    columns text := (
        select string_agg(key, ', ' order by key)
          from jsonb_each(after) as a join jsonb_each(before) as b using (key)
         where a.value <> b.value
           and key not in ('job_name', 'params', 'status', 'schedule_time', 'priority', 'retry_interval',
                           'max_execution_count', 'is_recursive', 'timeout', 'parent_id', 'unique_key', 'traceparent'));
begin
    raise exception 'asyncjob.job %: a client cannot write what belongs to the daemon: %', after ->> 'id', columns
      using errcode = 'insufficient_privilege',
            hint = 'A client writes job_name, params, status, schedule_time, priority, retry_interval, '
                   'max_execution_count, is_recursive, timeout, parent_id, unique_key and traceparent.';
end
$$;
