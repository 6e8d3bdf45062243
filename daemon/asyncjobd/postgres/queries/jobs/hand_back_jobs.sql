-- Rows that were claimed but never begun are ready again, as if nothing had been; or due a bit later.
-- :job_ids id, :claim_tokens lease (negative: a client has stopped it meanwhile), :delay seconds until they are due, each by its own chance
-- (null: ready at once)
with locked as materialized (
    select job.id, job.lease < 0 as is_stopped
      from unnest(:job_ids::bigint[], :claim_tokens::bigint[]) as claimed (id, lease)
      join asyncjob.job on job.id = any (array[claimed.id])
     where job.lease = claimed.lease and coalesce(job.daemon_id, 0) <> 0
     order by claimed.id
       for no key update of job skip locked
)
update asyncjob.job
   set daemon_id       = null,
       lease           = null,
       execution_count = greatest(job.execution_count - 1, 0),
       execution_total = greatest(job.execution_total - 1, 0),
       status          = case when :delay::float8 is null or locked.is_stopped then job.status else 'Queued' end,
       due_at          = case when :delay::float8 is null or locked.is_stopped then job.due_at
                              else now() + make_interval(secs => :delay::float8 * (0.5 + random())) end
  from locked
 where job.id = any (array[locked.id])
returning job.id, job.status::text as status, extract(epoch from job.due_at)::float8 as due_epoch
