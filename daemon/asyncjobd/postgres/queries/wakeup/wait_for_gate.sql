-- Waits, but not for long, for the clients that have this lock. Whoever asks for it meanwhile notifies.
select set_config('lock_timeout', '1s', false), pg_advisory_lock(hashtext('asyncjob'), :key)
