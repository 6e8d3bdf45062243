select job.id, job.lease from asyncjob.job where job.daemon_id = :daemon_id
