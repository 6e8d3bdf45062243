-- Every name that is known or has rows: what it is, who serves it, and how many of its rows are where.
with counted as (
    select job_name,
           count(*) filter (where status = 'Queued')                                as queued,
           count(*) filter (where status = 'In Progress' and daemon_id is null)     as ready,
           count(*) filter (where daemon_id is not null)                            as running,
           count(*) filter (where status = 'Hold')                                  as held,
           count(*) filter (where status = 'Completed')                             as completed,
           count(*) filter (where status = 'Failed')                                as failed,
           extract(epoch from now() - min(due_at) filter (where status = 'In Progress' and daemon_id is null))::float8
                                                                                    as oldest_ready
      from asyncjob.job group by job_name
)
select coalesce(action.name, counted.job_name) as name, action.handler, action.is_active,
       (select count(*) from asyncjob.daemon
         where coalesce(action.name, counted.job_name) = any (daemon.actions)
           and beat_at > now() - interval '1 minute') as daemons,
       coalesce(queued, 0) as queued, coalesce(ready, 0) as ready, coalesce(running, 0) as running,
       coalesce(held, 0) as held, coalesce(completed, 0) as completed, coalesce(failed, 0) as failed, oldest_ready,
       case when action.name is null then 'no daemon has ever served this name'
            when not action.is_active then 'the action is inactive'
            when not exists (select from asyncjob.daemon
                              where action.name = any (daemon.actions) and beat_at > now() - interval '1 minute')
            then 'no daemon that serves it is alive' end as waits_because
  from asyncjob.action full join counted on counted.job_name = action.name
 where $1::text is null or coalesce(action.name, counted.job_name) = $1
 order by 1
