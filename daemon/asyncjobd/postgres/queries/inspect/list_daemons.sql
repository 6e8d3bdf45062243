select daemon.id, daemon.name, daemon.host, daemon.pid, daemon.version, daemon.running, daemon.concurrency, daemon.started_at,
       extract(epoch from now() - daemon.beat_at)::float8 as silent_for, daemon.lease, daemon.actions, daemon.figures
  from asyncjob.daemon order by daemon.name, daemon.started_at
