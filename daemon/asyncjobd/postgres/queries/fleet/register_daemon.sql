insert into asyncjob.daemon (id, name, host, boot_id, pid, process_start, version, actions, concurrency, lease)
values (:daemon_id, :name, :host, :boot_id, :pid, :process_start, :version, :served_names, :concurrency, :lease_seconds)
    on conflict (id) do nothing    -- its reply was lost
