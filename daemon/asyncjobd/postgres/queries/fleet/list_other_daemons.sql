-- List the other daemons, with the columns of renew_lease.
select daemon.id, daemon.name, daemon.host, daemon.boot_id, daemon.pid, daemon.process_start,
       daemon.lease_seconds, daemon.heartbeat
  from asyncjob.daemon where daemon.id <> :daemon_id
