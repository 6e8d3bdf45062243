-- Due rows, in the order in which promote.sql takes them. $1 how many at most, $2 rows to leave alone
select job.id
  from asyncjob.job
 where job.status = 'Queued' and job.daemon_id is null and job.due_at <= now() and job.id <> all ($2::bigint[])
 order by job.due_at
 limit $1
