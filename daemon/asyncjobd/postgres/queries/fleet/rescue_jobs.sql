-- Take rows back from daemons that are gone.
-- The execution that was cut off counts: at max_execution_count the job is Failed. Where a client has asked
-- for a stop, the client's status stands. No row is due before `due_at`, as a client may have changed
-- schedule_time. Of rows that were lost together one may be what kills the daemon: after its second execution
-- each is due at a random time, so that they do not run together again.
-- :gone_daemons, :heartbeats  daemons beside those that have no row any more, and their last heartbeats;
--                             one that has renewed its lease since is not gone, and none can meanwhile
with gone as materialized (
    select daemon.id
      from unnest(:gone_daemons::bigint[], :heartbeats::bigint[]) as judged (id, heartbeat)
      join asyncjob.daemon on daemon.id = any (array[judged.id]) and daemon.heartbeat = judged.heartbeat
     order by judged.id
       for share of daemon skip locked
),
lost as materialized (
    select job.id, job.daemon_id, job.started_at, job.execution_count, job.execution_total,
           job.max_execution_count, job.stop_requested as is_stopped,
           job.execution_count >= coalesce(job.max_execution_count, 5) as is_last
      from unnest(:job_ids::bigint[]) as candidate (id)
      join asyncjob.job on job.id = any (array[candidate.id])
     where coalesce(job.daemon_id, 0) <> 0
       and (job.daemon_id in (select gone.id from gone)
            or not exists (select from asyncjob.daemon where daemon.id = job.daemon_id))
     order by candidate.id
       for no key update of job skip locked
),
kept as (
    insert into asyncjob.execution (job_id, number, daemon_id, started_at, finished_at, status, message)
    select lost.id, lost.execution_total, lost.daemon_id, lost.started_at, now(), 'lost',
           'the daemon that ran it is gone'
      from lost
     where lost.is_stopped or not lost.is_last
     order by lost.id
        on conflict do nothing
)
update asyncjob.job
   set daemon_id             = null,
       claim_token           = null,       -- what that execution still writes is refused
       stop_requested        = false,
       execution_count       = case when lost.is_stopped then greatest(job.execution_count - 1, 0)
                                    else job.execution_count end,
       status                = case when lost.is_stopped then job.status
                                    when lost.is_last then 'Failed'
                                    when lost.execution_count = 1 and job.due_at <= now() then 'In Progress'
                                    else 'Queued' end::asyncjob.status,
       waits_on              = case when lost.is_stopped then job.waits_on end,
       due_at                = case when lost.is_stopped then job.due_at
                                    when lost.execution_count = 1 then greatest(now(), job.due_at)
                                    else greatest(job.due_at,
                                         now() + (0.5 + random())       -- back-off: about 2, 4, 8 .. 60 s
                                                 * least(60, power(2, least(lost.execution_count - 1, 6)))
                                                 * interval '1 second') end,
       finished_at           = case when lost.is_last and not lost.is_stopped then now()
                                    else job.finished_at end,
       last_execution_status = 'lost',
       last_execution_time   = now(),
       traceback             = null,
       log                   = null,
       message               = case when lost.is_stopped then job.message
                                    when lost.is_last
                                    then format('its daemon was lost in execution %s of %s: '
                                                'the job may be what kills it',
                                                lost.execution_count, lost.max_execution_count)
                                    else 'the daemon that ran it is gone' end
  from lost
 where job.id = any (array[lost.id])
returning job.id, job.job_name, job.status::text, job.execution_count, lost.daemon_id,
          job.status = 'Queued' and job.waits_on is not null as is_waiting
