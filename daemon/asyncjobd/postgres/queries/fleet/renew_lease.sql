-- Renews this daemon's row, and answers how the others do; no answer: the row was taken away, and with it every lease.
with beaten as (
    update asyncjob.daemon set beat = daemon.beat + 1, beat_at = now(), running = :running, figures = :metrics::text::jsonb
     where daemon.id = :daemon_id
    returning daemon.id
)
select other.id, other.name, other.host, other.boot_id, other.pid, other.process_start, other.lease, other.beat
  from beaten left join asyncjob.daemon as other on other.id <> beaten.id
