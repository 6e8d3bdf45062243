-- The job that is Queued, In Progress or on Hold with a unique key ($1).
select job.* from asyncjob.job
 where job.unique_key = $1 and job.status in ('Queued', 'In Progress', 'Hold')
