-- List the jobs that a job waits for by their ids (waits_for), also those that have ended.
select needed.*
  from asyncjob.job
  join asyncjob.job as needed on needed.id = any (job.waits_for)
 where job.id = :job_id
 order by needed.id
