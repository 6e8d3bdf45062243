select job.* from asyncjob.job where job.id = :job_id
