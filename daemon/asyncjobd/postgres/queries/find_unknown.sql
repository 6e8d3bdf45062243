-- Ready rows of a name that no daemon serves. Rows that somebody has locked are passed over.
-- $1 the name, $2 grace in seconds since it was due, $3 how many at most, $4 rows to leave alone
select job.id
  from asyncjob.job
 where job.job_name = $1 and job.status = 'In Progress' and job.daemon_id is null
   and job.due_at <= now() - make_interval(secs => $2) and job.id <> all ($4::bigint[])
 order by job.priority, job.id
 limit $3
   for no key update skip locked
