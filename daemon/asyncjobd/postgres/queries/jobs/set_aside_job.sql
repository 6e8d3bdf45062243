-- Put a row that PostgreSQL refuses to write out of the way of all others, with the reason.
-- A row that waits goes on Hold. One whose daemon is gone is Failed, unless a client has asked for a stop:
-- then the client's status stands. A locked row stays as it is.
-- :gone_daemons, :heartbeats  daemons beside those that have no row any more, and their last heartbeats
-- :version                    only this version of the row (its xmin); null: any
with locked as materialized (
    select job.id, job.daemon_id is null as is_waiting, job.stop_requested
      from asyncjob.job
     where job.id = :job_id and (:version::text is null or job.xmin::text = :version)
       and (job.daemon_id is null and job.status in ('Queued', 'In Progress')
            or (job.daemon_id,
                (select daemon.heartbeat from asyncjob.daemon where daemon.id = job.daemon_id))
               in (select judged.id, judged.heartbeat
                     from unnest(:gone_daemons::bigint[], :heartbeats::bigint[])
                          as judged (id, heartbeat))
            or job.daemon_id is not null
               and not exists (select from asyncjob.daemon where daemon.id = job.daemon_id))
       for no key update of job skip locked
)
update asyncjob.job
   set status         = case when locked.is_waiting then 'Hold'
                             when locked.stop_requested then job.status
                             else 'Failed' end::asyncjob.status,
       hold_reason    = case when locked.is_waiting then :reason else job.hold_reason end,
       message        = case when locked.is_waiting or locked.stop_requested then job.message
                             else :reason end,
       finished_at    = case when locked.is_waiting or locked.stop_requested then job.finished_at
                             else now() end,
       waits_on       = case when locked.is_waiting or locked.stop_requested then job.waits_on end,
       daemon_id      = null,
       claim_token    = null,
       stop_requested = false
  from locked
 where job.id = any (array[locked.id])
returning job.job_name, job.status::text as status
