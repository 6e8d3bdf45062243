update asyncjob.job set status = $2::text::asyncjob.status
 where job.id = $1 and job.status = any ($3::text[]::asyncjob.status[])
returning job.*
