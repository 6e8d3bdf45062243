-- List the latest failures, the newest first.
with recursive
-- include inspect/parts/shown_names
select failed.* from shown
 cross join lateral (
       select job.id, job.job_name, job.execution_count, job.finished_at, left(job.message, 500) as message
         from asyncjob.job
        where job.job_name = shown.job_name and job.status = 'Failed'
          and enum_ne(job.status, 'In Progress') and enum_ne(job.status, 'Completed')
        order by job.finished_at desc
        limit :limit) as failed
 order by failed.finished_at desc, failed.id desc
 limit :limit
