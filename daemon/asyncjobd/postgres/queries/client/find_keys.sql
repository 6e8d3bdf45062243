-- Find the jobs that have a key: of a null one there is none.
select job.* from asyncjob.job
 where job.unique_key = :unique_key::text and job.status in ('Queued', 'In Progress', 'Hold')
union all
select job.* from asyncjob.job
 where job.debounce_key = :debounce_key::text and job.started_at is null and job.finished_at is null
union all
select job.* from asyncjob.job where job.once_key = :once_key::text
