   -- Each parameter that is null selects all. :paths are arrays as text; :values what is found there as text.
   and (:name_pattern::text is null or job.job_name like :name_pattern)
   and (:status::text is null or job.status = :status::asyncjob.status)
   and (:is_owned::boolean is null or (job.daemon_id is not null) = :is_owned)
   and (:message_pattern::text is null or job.message ilike :message_pattern)
   and (:daemon::text is null
        or job.daemon_id in (select daemon.id from asyncjob.daemon where daemon.name = :daemon))
   and (:parent_id::bigint is null or job.parent_id = :parent_id)
   and (:key::text is null or job.unique_key = :key or job.debounce_key = :key or job.once_key = :key)
   and (:limit_key::text is null or job.limit_key = :limit_key)
   and (:since::timestamptz is null or job.created_at >= :since)
   and (:until::timestamptz is null or job.created_at < :until)
   and (:paths::text[] is null or not exists (
        select from unnest(:paths::text[], :values::text[]) as wanted (path, value)
         where job.params #>> wanted.path::text[] is distinct from wanted.value))
