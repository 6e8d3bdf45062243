select daemon.id, daemon.name, daemon.host, daemon.boot_id, daemon.pid, daemon.process_start, daemon.lease, daemon.beat
  from asyncjob.daemon where daemon.id <> :daemon_id
