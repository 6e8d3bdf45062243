-- Find ready rows of a name that no daemon serves; locked rows are skipped.
-- :grace_seconds  how long they must have been due
select job.id
  from asyncjob.job
 where job.job_name = :job_name and job.status = 'In Progress' and job.daemon_id is null
   and job.due_at <= now() - make_interval(secs => :grace_seconds) and job.id <> all (:left_alone::bigint[])
 order by job.priority, job.id
 limit :limit
   for no key update skip locked
