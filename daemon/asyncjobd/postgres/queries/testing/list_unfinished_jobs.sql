-- List the jobs of these names that are ready, due or running, or whose wait for other jobs is over.
select job.* from asyncjob.job
 where job.job_name = any (:names)
   and (job.daemon_id is not null or job.status = 'In Progress'
        or (job.status = 'Queued' and job.due_at <= now())
        or (job.status = 'Queued' and job.waits_on is not null
            and not exists (select from asyncjob.job as watched
                             where watched.id = job.waits_on
                               and watched.status in ('Queued', 'In Progress', 'Hold'))))
 order by job.id
