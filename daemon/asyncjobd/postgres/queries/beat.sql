-- Renews this daemon's row, and answers how the others do; no answer: the row was taken away, and with it every lease.
with beaten as (
    update asyncjob.daemon set beat = beat + 1, beat_at = now(), running = $2, figures = $3::text::jsonb where id = $1 returning id
)
select other.id, name, host, boot_id, pid, process_start, lease, beat
  from beaten left join asyncjob.daemon as other on other.id <> beaten.id
