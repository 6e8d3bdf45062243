-- Show a job: its columns, and the beginnings of its values, of :most characters each.
-- The last :most_of_log characters of its log are shown.
-- Of params and result null where they would take long to write out: more than 1 MB as they are stored.
select job.id, job.job_name, job.status::text as status, job.daemon_id is not null as is_running,
       job.stop_requested as is_stopping, job.schedule_time, job.priority, job.retry_interval,
       job.retry_backoff, job.retry_interval_max, job.retry_jitter, job.max_execution_count, job.is_recursive,
       job.timeout, job.parent_id, job.unique_key, job.debounce_key, job.once_key, job.limit_key,
       job.traceparent, cardinality(job.waits_for) as needed, job.waits_for_children,
       job.when_failed::text as when_failed, nullif(job.due_at, 'infinity') as due_at, job.execution_count,
       job.execution_total, job.occurrence, job.progress,
       left(job.progress_message, :most) as progress_message,
       left(job.message, :most) as message, left(job.traceback, :most) as traceback,
       right(job.log, :most_of_log) as log,
       job.last_execution_status, job.last_execution_time, job.started_at, job.finished_at, job.created_at,
       job.created_by, job.ordered_at, job.ordered_by, job.hold_reason,
       case when pg_column_size(job.params) <= 1000000 then left(job.params::text, :most) end as params,
       case when pg_column_size(job.result) <= 1000000 then left(job.result::text, :most) end as result,
       job.result is not null as has_result, daemon.name as daemon, daemon.host as daemon_host,
       action.params_schema::text as params_schema, now() as now
  from asyncjob.job
  left join asyncjob.daemon on daemon.id = any (array[job.daemon_id])
  left join asyncjob.action on action.name = job.job_name
 where job.id = :job_id
