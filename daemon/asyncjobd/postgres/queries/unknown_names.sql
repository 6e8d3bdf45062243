-- Job names with ready rows that no daemon has ever served. One index probe a name, however many rows it has.
with recursive lane (job_name) as (
    (select job.job_name from asyncjob.job
      where job.status = 'In Progress' and job.daemon_id is null order by job.job_name limit 1)
    union all
    (select next.job_name from lane cross join lateral (
        select job.job_name from asyncjob.job
         where job.status = 'In Progress' and job.daemon_id is null and job.job_name > lane.job_name
         order by job.job_name limit 1) as next)
)
select lane.job_name, array(select action.name from asyncjob.action order by action.name) as known from lane
 where not exists (select from asyncjob.action where action.name = lane.job_name)
