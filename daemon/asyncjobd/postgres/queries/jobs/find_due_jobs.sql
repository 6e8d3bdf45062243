-- Find due rows, in the order in which promote_jobs takes them.
select job.id
  from asyncjob.job
 where job.status = 'Queued' and job.daemon_id is null and job.due_at <= now()
   and job.id <> all (:left_alone::bigint[])
 order by job.due_at
 limit :limit
