-- Insert many jobs, and return those that are new, in their order.
-- The conflict names its index: to look into all others for a conflict too takes a fifth of the time.
-- :statuses    null: In Progress
-- :priorities  null: 0
-- :waits_for   each as the text of an array, as PostgreSQL has no arrays of arrays
insert into asyncjob.job (job_name, params, status, schedule_time, priority, retry_interval,
                          retry_backoff, retry_interval_max, retry_jitter, max_execution_count, is_recursive,
                          timeout, parent_id, unique_key, limit_key, traceparent, waits_for,
                          waits_for_children, when_failed)
select new.job_name, new.params, coalesce(new.status, 'In Progress')::asyncjob.status, new.schedule_time,
       coalesce(new.priority, 0), new.retry_interval, new.retry_backoff, new.retry_interval_max,
       new.retry_jitter, new.max_execution_count, new.is_recursive, new.timeout, new.parent_id,
       new.unique_key, new.limit_key, new.traceparent, new.waits_for::bigint[], new.waits_for_children,
       new.when_failed::asyncjob.status
  from unnest(:job_names::text[], :params::jsonb[], :statuses::text[], :schedule_times::timestamptz[],
              :priorities::smallint[], :retry_intervals::interval[], :retry_backoffs::float8[],
              :retry_interval_maxima::interval[], :retry_jitters::float8[], :max_execution_counts::integer[],
              :are_recursive::boolean[], :timeouts::interval[], :parent_ids::bigint[], :unique_keys::text[],
              :limit_keys::text[], :traceparents::text[], :waits_for::text[], :wait_for_children::boolean[],
              :when_failed::text[])
       with ordinality
       as new (job_name, params, status, schedule_time, priority, retry_interval, retry_backoff,
               retry_interval_max, retry_jitter, max_execution_count, is_recursive, timeout, parent_id,
               unique_key, limit_key, traceparent, waits_for, waits_for_children, when_failed, n)
 order by new.n
    on conflict (unique_key)
       where job.unique_key is not null and job.status in ('Queued', 'In Progress', 'Hold') do nothing
returning job.id, job.unique_key
