-- Finds jobs, the newest first. A parameter that is null selects all.
select job.* from asyncjob.job
 where (:job_name::text is null or job.job_name = :job_name)
   and (:status::text is null or job.status = :status::asyncjob.status)
   and (:is_owned::boolean is null or (job.daemon_id is not null) = :is_owned)
   and (:parent_id::bigint is null or job.parent_id = :parent_id)
   and (:unique_key::text is null or job.unique_key = :unique_key)
 order by job.id desc
 limit :limit
