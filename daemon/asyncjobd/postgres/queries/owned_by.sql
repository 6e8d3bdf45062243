select id, lease from asyncjob.job where daemon_id = $1
