-- Wait at most 1 s for the clients that hold this gate; a client that asks for it meanwhile notifies.
select set_config('lock_timeout', '1s', false), pg_advisory_lock('asyncjob.job'::regclass::integer, :key)
