select job.status::text, count(*) from asyncjob.job where job.parent_id = $1 group by job.status
