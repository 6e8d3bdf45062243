-- Job names with ready rows that no daemon has ever served. One index probe a name, however many rows it has.
with recursive lane (job_name) as (
    (select job_name from asyncjob.job
      where status = 'In Progress' and daemon_id is null order by job_name limit 1)
    union all
    (select next.job_name from lane cross join lateral (
        select job_name from asyncjob.job
         where status = 'In Progress' and daemon_id is null and job_name > lane.job_name
         order by job_name limit 1) as next)
)
select job_name, array(select name from asyncjob.action order by name) as known from lane
 where not exists (select from asyncjob.action where name = lane.job_name)
