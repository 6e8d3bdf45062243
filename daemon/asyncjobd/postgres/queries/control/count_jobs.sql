-- Count the jobs that these daemons have.
select count(*) as jobs from asyncjob.job where job.daemon_id = any (:daemon_ids::bigint[])
