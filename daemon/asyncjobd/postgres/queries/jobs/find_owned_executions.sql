-- Which of these executions still have their row: locked by a client just now. The others lost their lease.
select job.id
  from unnest(:job_ids::bigint[], :claim_tokens::bigint[]) as execution (id, lease)
  join asyncjob.job on job.id = any (array[execution.id])
 where abs(job.lease) = execution.lease
