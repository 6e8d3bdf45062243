-- Takes a row that PostgreSQL refuses to write out of the way: on Hold where it waits, Failed where a daemon owned it that
-- is gone. One that a client has stopped meanwhile keeps the client's status. A locked row stays as it is.
-- :job_id id, :reason why, :gone_daemons daemons that are gone, beside those that have no row any more, :version only this version of the row (null:
-- any)
with locked as materialized (
    select job.id, job.daemon_id is null as is_waiting, coalesce(job.lease, 0) < 0 as is_stopped
      from asyncjob.job
     where job.id = :job_id and (:version::text is null or job.xmin::text = :version)
       and (job.daemon_id is null and job.status in ('Queued', 'In Progress')
            or job.daemon_id = any (:gone_daemons::bigint[])
            or job.daemon_id is not null and not exists (select from asyncjob.daemon where daemon.id = job.daemon_id))
       for no key update of job skip locked
)
update asyncjob.job
   set status      = case when locked.is_waiting then 'Hold'
                          when locked.is_stopped then job.status
                          else 'Failed' end::asyncjob.status,
       hold_reason = case when locked.is_waiting then :reason else job.hold_reason end,
       message     = case when locked.is_waiting or locked.is_stopped then job.message else :reason end,
       finished_at = case when locked.is_waiting or locked.is_stopped then job.finished_at else now() end,
       daemon_id   = null,
       lease       = null
  from locked
 where job.id = any (array[locked.id])
returning job.job_name, job.status::text as status
