-- Insert many jobs, or change those that have the same debounce_key and have not started.
-- :at_most  how long after its first request a job is due at the latest; for each of :debounce_keys
-- include client/parts/new_jobs
    on conflict (debounce_key)
       where job.debounce_key is not null and job.started_at is null and job.finished_at is null
    do update set params = excluded.params,
                  schedule_time = case when excluded.schedule_time is not null then least(
                      excluded.schedule_time,
                      job.created_at
                      + (:at_most::interval[])[array_position(:debounce_keys, excluded.debounce_key)]) end
returning job.id, job.debounce_key as key
