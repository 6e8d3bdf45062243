-- Insert one job, in less time than insert_jobs takes; no row: a live job has its unique_key.
-- :params is text on its way, as the caller's connection may encode what is jsonb.
insert into asyncjob.job (job_name, params, status, schedule_time, priority, retry_interval,
                          retry_backoff, retry_interval_max, retry_jitter, max_execution_count, is_recursive,
                          timeout, parent_id, unique_key, limit_key, traceparent, waits_for,
                          waits_for_children, when_failed)
values (:job_name, :params::text::jsonb, :status::text::asyncjob.status, :schedule_time, :priority,
        :retry_interval, :retry_backoff, :retry_interval_max, :retry_jitter, :max_execution_count,
        :is_recursive, :timeout, :parent_id, :unique_key, :limit_key, :traceparent, :waits_for,
        :waits_for_children, :when_failed::text::asyncjob.status)
    on conflict (unique_key)
       where job.unique_key is not null and job.status in ('Queued', 'In Progress', 'Hold') do nothing
returning job.id
