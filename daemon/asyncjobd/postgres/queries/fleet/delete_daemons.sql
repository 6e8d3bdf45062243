-- Delete the rows of daemons that are gone and own no jobs any more.
-- :heartbeats  the last one of each; a daemon that has renewed its lease since, or does so now, is not gone
with gone as materialized (
    select daemon.id
      from unnest(:daemon_ids::bigint[], :heartbeats::bigint[]) as judged (id, heartbeat)
      join asyncjob.daemon on daemon.id = any (array[judged.id]) and daemon.heartbeat = judged.heartbeat
     where not exists (select from asyncjob.job where job.daemon_id = daemon.id)
     order by judged.id
       for update of daemon skip locked
)
delete from asyncjob.daemon using gone where daemon.id = any (array[gone.id])
returning daemon.id
