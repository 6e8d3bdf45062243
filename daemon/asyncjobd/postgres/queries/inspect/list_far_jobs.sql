-- List the jobs that are due the farthest ahead, if that is more than a year.
select job.id, job.job_name, job.due_at, job.created_by
  from asyncjob.job
 where job.status = 'Queued' and job.daemon_id is null
   and job.due_at > now() + interval '1 year' and job.due_at < 'infinity'
 order by job.due_at desc
 limit 3
