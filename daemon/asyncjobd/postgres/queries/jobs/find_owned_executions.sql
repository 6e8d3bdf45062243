-- Find which of these executions still own their row; the others have lost their claim.
select job.id
  from unnest(:job_ids::bigint[], :claim_tokens::bigint[]) as execution (id, claim_token)
  join asyncjob.job on job.id = any (array[execution.id])
 where job.claim_token = execution.claim_token
