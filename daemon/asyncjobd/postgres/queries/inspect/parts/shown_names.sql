shown (job_name) as (        -- the names with Queued, Hold or Failed rows, by index probes
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
