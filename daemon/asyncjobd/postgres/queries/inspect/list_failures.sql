-- List the latest failures, the newest first; the names that may have some are walked along by index probes.
with recursive shown (job_name) as (
    (select job.job_name from asyncjob.job
      where enum_ne(job.status, 'In Progress') and enum_ne(job.status, 'Completed')
      order by job.job_name limit 1)
    union all
    (select next.job_name from shown cross join lateral (
        select job.job_name from asyncjob.job
         where enum_ne(job.status, 'In Progress') and enum_ne(job.status, 'Completed')
           and job.job_name > shown.job_name
         order by job.job_name limit 1) as next)
)
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
