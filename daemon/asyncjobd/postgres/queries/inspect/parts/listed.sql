       job.id, job.job_name, job.status::text as status, job.daemon_id is not null as is_running,
       job.stop_requested as is_stopping, job.execution_count, job.max_execution_count, job.progress,
       left(coalesce(job.hold_reason, job.message, job.progress_message), 300) as message,
       nullif(job.due_at, 'infinity') as due_at, job.started_at, job.finished_at, job.created_at,
       job.last_execution_time
