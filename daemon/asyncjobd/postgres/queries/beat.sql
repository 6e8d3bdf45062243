-- Renews this daemon's row; no answer: the row was taken away, and with it every lease.
update asyncjob.daemon set beat = beat + 1, beat_at = now(), running = $2 where id = $1 returning beat
