-- Make rows that were claimed but never begun ready again, as if they had not been claimed.
-- Where a client has asked for a stop meanwhile, the client's status stands. Where one has changed
-- schedule_time or waits_for, the row waits accordingly.
-- :delay  seconds until they are due, multiplied for each row by a random 0.5 to 1.5; null: ready at once
with locked as materialized (
    select job.id, job.stop_requested
      from unnest(:job_ids::bigint[], :claim_tokens::bigint[]) as claimed (id, claim_token)
      join asyncjob.job on job.id = any (array[claimed.id])
     where job.claim_token = claimed.claim_token and coalesce(job.daemon_id, 0) <> 0
     order by claimed.id
       for no key update of job skip locked
)
update asyncjob.job
   set daemon_id       = null,
       claim_token     = null,
       stop_requested  = false,
       execution_count = greatest(job.execution_count - 1, 0),
       execution_total = greatest(job.execution_total - 1, 0),
       status          = case when not locked.stop_requested
                                   and (:delay::float8 is not null or job.waits_on is not null
                                        or job.due_at > now())
                              then 'Queued' else job.status end,
       due_at          = case when locked.stop_requested then job.due_at
                              when job.waits_on is not null then 'infinity'
                              else greatest(job.due_at, now() + make_interval(
                                   secs => :delay::float8 * (0.5 + random()))) end
  from locked
 where job.id = any (array[locked.id])
returning job.id, job.status::text as status, extract(epoch from job.due_at)::float8 as due_epoch
