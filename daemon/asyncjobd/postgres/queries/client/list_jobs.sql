-- List the newest jobs of a name, a status and a parent; null: of any.
select job.* from asyncjob.job
 where (:job_name::text is null or job.job_name = :job_name)
   and (:status::text is null or job.status = :status::asyncjob.status)
   and (:parent_id::bigint is null or job.parent_id = :parent_id)
 order by job.id desc
 limit :limit
