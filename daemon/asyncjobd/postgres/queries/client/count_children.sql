-- Count the children of a job by their status.
select job.status::text, count(*) from asyncjob.job where job.parent_id = :parent_id group by job.status
