-- List every job name that is known or waits: what it is, who serves it, and how many of its rows are where.
-- A count of 10000 means as many or more. `oldest_ready`: the seconds for which the oldest ready row has been
-- ready, among the first 100 rows of each of the first 100 priorities. `waits_because`: why no daemon runs
-- its rows; null: one does.
with recursive
-- include inspect/parts/lane_names
,
-- include inspect/parts/shown_names
,
owned as (
    select job.job_name, count(*) as running from asyncjob.job
     where job.daemon_id is not null group by job.job_name
),
known (name) as (
    select action.name from asyncjob.action
     union select lane.job_name from lane
     union select shown.job_name from shown
     union select owned.job_name from owned
)
select known.name, action.handler, action.is_active,
       (select count(*) from asyncjob.daemon
         where known.name = any (daemon.actions)
           and daemon.heartbeat_at > now() - interval '1 minute') as daemons,
       (select count(*) from (select from asyncjob.job
         where job.job_name = known.name and job.status = 'Queued'
           and enum_ne(job.status, 'In Progress') and enum_ne(job.status, 'Completed')
         limit 10000) as counted) as queued,
       (select count(*) from (select from asyncjob.job
         where job.job_name = known.name and job.status = 'In Progress' and job.daemon_id is null
         limit 10000) as counted) as ready,
       coalesce((select owned.running from owned where owned.job_name = known.name), 0) as running,
       (select count(*) from (select from asyncjob.job
         where job.job_name = known.name and job.status = 'Hold'
           and enum_ne(job.status, 'In Progress') and enum_ne(job.status, 'Completed')
         limit 10000) as counted) as held,
       (select count(*) from (select from asyncjob.job
         where job.job_name = known.name and job.status = 'Failed'
           and enum_ne(job.status, 'In Progress') and enum_ne(job.status, 'Completed')
         limit 10000) as counted) as failed,
       oldest.ready as oldest_ready,
       case when action.name is null then 'no daemon has ever served this name'
            when not action.is_active then 'the action is inactive'
            when not exists (select from asyncjob.daemon
                              where known.name = any (daemon.actions)
                                and daemon.heartbeat_at > now() - interval '1 minute')
            then 'no daemon that serves it is alive' end as waits_because
  from known
  left join asyncjob.action on action.name = known.name
 cross join lateral (
       with recursive level (priority) as (
           (select job.priority from asyncjob.job
             where job.job_name = known.name and job.status = 'In Progress' and job.daemon_id is null
             order by job.priority limit 1)
           union all
           (select next.priority from level cross join lateral (
               select job.priority from asyncjob.job
                where job.job_name = known.name and job.status = 'In Progress' and job.daemon_id is null
                  and job.priority > level.priority
                order by job.priority limit 1) as next)
       )
       select extract(epoch from now() - min(head.due_at))::float8 as ready
         from (select level.priority from level limit 100) as first
        cross join lateral (
              -- `between`, as with `=` the primary key would have this order too
              select job.due_at from asyncjob.job
               where job.job_name = known.name and job.status = 'In Progress' and job.daemon_id is null
                 and job.priority between first.priority and first.priority
               order by job.priority, job.id limit 100) as head) as oldest
 order by known.name
