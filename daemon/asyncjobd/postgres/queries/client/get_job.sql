-- Get the row of a job.
select job.* from asyncjob.job where job.id = :job_id
