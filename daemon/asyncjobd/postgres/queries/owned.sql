-- Which of these executions still have their row: locked by a client just now. The others lost their lease.
select job.id
  from unnest($1::bigint[], $2::bigint[]) as execution (id, lease)
  join asyncjob.job on job.id = any (array[execution.id])
 where abs(job.lease) = execution.lease
