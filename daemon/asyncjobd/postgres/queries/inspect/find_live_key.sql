-- Finds the job that is Queued, In Progress or on Hold with a unique key.
select job.* from asyncjob.job
 where job.unique_key = :unique_key and job.status in ('Queued', 'In Progress', 'Hold')
