-- Renew a daemon's lease, and list the other daemons; `is_draining`: it is to claim nothing.
-- No row: this daemon's row was deleted, and others have taken its jobs.
-- One row without an id: there are no other daemons.
with renewed as (
    update asyncjob.daemon
       set heartbeat = daemon.heartbeat + 1, heartbeat_at = now(), running = :running,
           metrics = :metrics::text::jsonb
     where daemon.id = :daemon_id
    returning daemon.id, daemon.is_draining
)
select other.id, other.name, other.host, other.boot_id, other.pid, other.process_start, other.lease_seconds,
       other.heartbeat, renewed.is_draining
  from renewed left join asyncjob.daemon as other on other.id <> renewed.id
