-- List the jobs of these names that are ready, due or running.
select job.* from asyncjob.job
 where job.job_name = any (:names)
   and (job.daemon_id is not null or job.status = 'In Progress'
        or (job.status = 'Queued' and job.due_at <= now()))
 order by job.id
