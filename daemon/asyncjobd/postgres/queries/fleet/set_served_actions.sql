-- Write which job names a daemon serves.
update asyncjob.daemon set actions = :served_names where daemon.id = :daemon_id
