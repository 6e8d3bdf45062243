select id, name, host, pid, version, running, concurrency, started_at, extract(epoch from now() - beat_at)::float8 as silent_for,
       lease, actions, figures
  from asyncjob.daemon order by name, started_at
