-- List the rows that a daemon owns.
select job.id, job.claim_token, job.stop_requested from asyncjob.job where job.daemon_id = :daemon_id
