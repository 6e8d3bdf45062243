select id, name, host, boot_id, pid, process_start, lease, beat from asyncjob.daemon where id <> $1
