-- Insert many jobs, in the order in which they are given.
-- :params         as text, as the caller's connection may encode what is jsonb
-- :statuses       null: In Progress
-- :delays         where there is no schedule_time: the time until it
-- :priorities     null: 0
-- :waits_for      each as the text of an array, as PostgreSQL has no arrays of arrays
insert into asyncjob.job (job_name, params, status, schedule_time, priority, retry_interval,
                          retry_backoff, retry_interval_max, retry_jitter, max_execution_count, is_recursive,
                          timeout, parent_id, unique_key, debounce_key, once_key, limit_key, traceparent,
                          waits_for, waits_for_children, when_failed)
select new.job_name, new.params::jsonb, coalesce(new.status, 'In Progress')::asyncjob.status,
       coalesce(new.schedule_time, now() + new.delay), coalesce(new.priority, 0), new.retry_interval,
       new.retry_backoff, new.retry_interval_max, new.retry_jitter, new.max_execution_count, new.is_recursive,
       new.timeout, new.parent_id, new.unique_key, new.debounce_key, new.once_key, new.limit_key,
       new.traceparent, new.waits_for::bigint[], new.waits_for_children, new.when_failed::asyncjob.status
  from unnest(:job_names::text[], :params::text[], :statuses::text[], :schedule_times::timestamptz[],
              :delays::interval[], :priorities::smallint[], :retry_intervals::interval[],
              :retry_backoffs::float8[], :retry_interval_maxima::interval[], :retry_jitters::float8[],
              :max_execution_counts::integer[], :are_recursive::boolean[], :timeouts::interval[],
              :parent_ids::bigint[], :unique_keys::text[], :debounce_keys::text[], :once_keys::text[],
              :limit_keys::text[], :traceparents::text[], :waits_for::text[], :wait_for_children::boolean[],
              :when_failed::text[])
       with ordinality
       as new (job_name, params, status, schedule_time, delay, priority, retry_interval, retry_backoff,
               retry_interval_max, retry_jitter, max_execution_count, is_recursive, timeout, parent_id,
               unique_key, debounce_key, once_key, limit_key, traceparent, waits_for, waits_for_children,
               when_failed, n)
 order by new.n
