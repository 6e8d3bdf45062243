select id, name, host, boot_id, pid, process_start, beat from asyncjob.daemon where id <> $1
