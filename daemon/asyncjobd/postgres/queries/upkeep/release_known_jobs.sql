-- Release rows that hold_unknown_jobs has held, and whose status no client has changed since.
with locked as materialized (
    select job.id
      from unnest(:job_ids::bigint[]) as candidate (id)
      join asyncjob.job on job.id = any (array[candidate.id])
     where job.status = 'Hold' and starts_with(coalesce(job.hold_reason, ''), 'no daemon serves ')
     order by candidate.id
       for no key update of job skip locked
)
update asyncjob.job
   set status = asyncjob.waiting_status(job.due_at), hold_reason = null
  from locked
 where job.id = any (array[locked.id])
returning job.id
