-- Write the last progress that each running execution reported; rows that a client has locked are skipped.
with reported as materialized (
    select reported.*
      from unnest(:job_ids::bigint[], :claim_tokens::bigint[], :progress::real[], :messages::text[])
           as reported (id, claim_token, progress, message)
),
locked as materialized (
    select reported.* from reported join asyncjob.job on job.id = any (array[reported.id])
     where job.claim_token = reported.claim_token and not job.stop_requested
       and coalesce(job.daemon_id, 0) <> 0
     order by reported.id
       for no key update of job skip locked
)
update asyncjob.job set progress = locked.progress, progress_message = locked.message
  from locked
 where job.id = any (array[locked.id])
