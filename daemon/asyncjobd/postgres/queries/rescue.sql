-- Takes back what daemons own that are gone: those named in $1, and those that have no row any more.
-- An execution that was cut off counts; at the limit the job is Failed. One that a client had stopped is only let go.
with candidate as materialized (
    select job.id, job.daemon_id from asyncjob.job
     where job.daemon_id is not null
       and (job.daemon_id = any ($1::bigint[]) or not exists (select from asyncjob.daemon where daemon.id = job.daemon_id))
     limit $2
),
lost as materialized (
    select job.id, job.daemon_id, job.lease, job.execution_count, job.execution_total, job.max_execution_count,
           job.started_at
      from candidate join asyncjob.job on job.id = any (array[candidate.id])
     where coalesce(job.daemon_id, 0) = candidate.daemon_id
     order by candidate.id
       for no key update of job skip locked
),
kept as (
    insert into asyncjob.execution (job_id, number, daemon_id, started_at, finished_at, status, message)
    select lost.id, lost.execution_total, lost.daemon_id, lost.started_at, now(), 'lost', 'the daemon that ran it is gone'
      from lost
     where lost.lease < 0 or lost.execution_count < lost.max_execution_count
     order by lost.id
        on conflict do nothing
)
update asyncjob.job
   set daemon_id             = null,
       lease                 = null,       -- what that execution still writes is lost
       execution_count       = case when lost.lease < 0 then greatest(job.execution_count - 1, 0) else job.execution_count end,
       status                = case when lost.lease < 0 then job.status
                                    when lost.execution_count >= lost.max_execution_count then 'Failed'
                                    when lost.execution_count = 1 then 'In Progress'
                                    else 'Queued' end::asyncjob.status,
       due_at                = case when lost.lease < 0 then job.due_at       -- back-off: at once, then 2, 4, 8 .. 60 s
                                    else now() + least(60, power(2, least(lost.execution_count - 1, 6))) * interval '1 second' end,
       finished_at           = case when lost.lease > 0 and lost.execution_count >= lost.max_execution_count then now()
                                    else job.finished_at end,
       last_execution_status = 'lost',
       last_execution_time   = now(),
       traceback             = null,
       message               = case when lost.lease < 0 then job.message
                                    when lost.execution_count >= lost.max_execution_count
                                    then format('its daemon was lost in execution %s of %s: the job may be what kills it',
                                                lost.execution_count, lost.max_execution_count)
                                    else 'the daemon that ran it is gone' end
  from lost
 where job.id = any (array[lost.id])
returning job.id, job.job_name, job.status::text, job.execution_count, lost.daemon_id
