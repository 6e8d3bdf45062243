-- Rows that were claimed but never begun are ready again, as if nothing had been.
-- $1 id, $2 lease (negative: a client has stopped it meanwhile)
with locked as materialized (
    select job.id
      from unnest($1::bigint[], $2::bigint[]) as claimed (id, lease)
      join asyncjob.job on job.id = any (array[claimed.id])
     where job.lease = claimed.lease and coalesce(job.daemon_id, 0) <> 0
     order by claimed.id
       for no key update of job skip locked
)
update asyncjob.job
   set daemon_id       = null,
       lease           = null,
       execution_count = greatest(job.execution_count - 1, 0),
       execution_total = greatest(job.execution_total - 1, 0)
  from locked
 where job.id = any (array[locked.id])
returning job.id
