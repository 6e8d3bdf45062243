-- The last progress that each running execution reported; a row locked by a client is passed over.
with reported as materialized (
    select reported.* from unnest(:job_ids::bigint[], :claim_tokens::bigint[], :progress::real[], :messages::text[]) as reported (id, lease, progress, message)
),
locked as materialized (
    select reported.* from reported join asyncjob.job on job.id = any (array[reported.id])
     where job.lease = reported.lease and coalesce(job.daemon_id, 0) <> 0
     order by reported.id
       for no key update of job skip locked
)
update asyncjob.job set progress = locked.progress, progress_message = locked.message
  from locked
 where job.id = any (array[locked.id])
