-- The latest failures. $1 how many at most
with recursive shown (job_name) as (
    (select job_name from asyncjob.job where enum_ne(status, 'In Progress') and enum_ne(status, 'Completed') order by job_name limit 1)
    union all
    (select next.job_name from shown cross join lateral (
        select job_name from asyncjob.job
         where enum_ne(status, 'In Progress') and enum_ne(status, 'Completed') and job_name > shown.job_name order by job_name limit 1) as next)
)
select failed.* from shown
 cross join lateral (
       select id, job_name, execution_count, finished_at, left(message, 500) as message from asyncjob.job
        where job_name = shown.job_name and status = 'Failed'
          and enum_ne(status, 'In Progress') and enum_ne(status, 'Completed')
        order by finished_at desc
        limit $1) as failed
 order by finished_at desc, id desc
 limit $1
