update asyncjob.job set status = :status::text::asyncjob.status
 where job.id = :job_id and job.status = any (:only_from::text[]::asyncjob.status[])
returning job.*
