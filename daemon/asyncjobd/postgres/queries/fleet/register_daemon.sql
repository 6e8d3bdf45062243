-- Insert this daemon's row; again, where the reply of the first try was lost, does nothing.
insert into asyncjob.daemon (id, name, host, boot_id, pid, process_start, version, actions, concurrency,
                             lease_seconds)
values (:daemon_id, :name, :host, :boot_id, :pid, :process_start, :version, :served_names, :concurrency,
        :lease_seconds)
    on conflict (id) do nothing
