-- List jobs that wait for other jobs, each with the one that it watches; of all that do, the first 10,000.
-- `waits`: its seconds since the INSERT. `blocked`: why the watched one may never end; null: it goes on.
select waiting.id, waiting.job_name, waiting.waits_on,
       extract(epoch from now() - waiting.created_at)::float8 as waits,
       watched.job_name as watched_name,
       case when watched.status = 'Hold' then 'is on Hold'
            when coalesce(watched.daemon_id, 0) = 0
             and not exists (select from asyncjob.daemon
                              where watched.job_name = any (daemon.actions)
                                and daemon.heartbeat_at > now() - interval '1 minute')
            then 'no daemon that is alive serves' end as blocked
  from (select job.id, job.job_name, job.waits_on, job.created_at from asyncjob.job
         where job.waits_on is not null and job.status = 'Queued'
         order by job.waits_on
         limit 10000) as waiting
  left join asyncjob.job as watched
         on watched.id = any (array[waiting.waits_on]) and watched.status in ('Queued', 'In Progress', 'Hold')
 order by waiting.waits_on, waiting.id
