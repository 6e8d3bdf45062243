lane (job_name) as (        -- the names with ready rows, one index probe each
    (select job.job_name from asyncjob.job
      where job.status = 'In Progress' and job.daemon_id is null order by job.job_name limit 1)
    union all
    (select next.job_name from lane cross join lateral (
        select job.job_name from asyncjob.job
         where job.status = 'In Progress' and job.daemon_id is null and job.job_name > lane.job_name
         order by job.job_name limit 1) as next)
)
