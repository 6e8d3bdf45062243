insert into asyncjob.daemon (id, name, host, boot_id, pid, process_start, version, actions, concurrency, lease)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    on conflict (id) do nothing    -- its reply was lost
