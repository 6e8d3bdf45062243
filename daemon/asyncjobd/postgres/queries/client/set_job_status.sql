-- Set the status of a job that is in one of the statuses :only_from.
update asyncjob.job set status = :status::text::asyncjob.status
 where job.id = :job_id and job.status = any (:only_from::text[]::asyncjob.status[])
returning job.*
