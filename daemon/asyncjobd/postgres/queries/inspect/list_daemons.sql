-- List the daemons; `silent_for`: the seconds since the last heartbeat of each.
select daemon.id, daemon.name, daemon.host, daemon.pid, daemon.version, daemon.running, daemon.concurrency,
       daemon.started_at, extract(epoch from now() - daemon.heartbeat_at)::float8 as silent_for,
       daemon.lease_seconds, daemon.actions, daemon.metrics, daemon.is_draining
  from asyncjob.daemon order by daemon.name, daemon.started_at
