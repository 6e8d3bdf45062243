-- Find job names with ready rows that no daemon has ever served, in order; one index probe a name.
-- `looked`: how many names were looked at; `last`: the last of them.
-- :after_name, :limit  after which name the search begins, and how many names it looks at
with recursive lane (job_name) as (
    (select job.job_name from asyncjob.job
      where job.status = 'In Progress' and job.daemon_id is null and job.job_name > :after_name
      order by job.job_name limit 1)
    union all
    (select next.job_name from lane cross join lateral (
        select job.job_name from asyncjob.job
         where job.status = 'In Progress' and job.daemon_id is null and job.job_name > lane.job_name
         order by job.job_name limit 1) as next)
),
looked as materialized (
    select lane.job_name from lane limit :limit
)
select (select count(*) from looked) as looked,
       (select max(looked.job_name) from looked) as last,
       array(select looked.job_name from looked
              where not exists (select from asyncjob.action where action.name = looked.job_name)
              order by looked.job_name) as unknown
