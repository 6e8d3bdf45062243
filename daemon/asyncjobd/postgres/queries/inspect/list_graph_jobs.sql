-- List these jobs, each with the first :limit of the jobs that it needs, and how many these are in all.
-- `waits_on`: the one that it watches now.
select found.*
  from unnest(:ids::bigint[]) as asked (id)
 cross join lateral (
       select job.id, job.job_name, job.status::text as status, job.daemon_id is not null as is_running,
              job.stop_requested as is_stopping, job.parent_id,
              coalesce(job.waits_for_children, false) as waits_for_children,
              nullif(job.waits_on, 0) as waits_on,
              coalesce(job.waits_for[1:(:limit)::integer], '{}') as needs,
              coalesce(cardinality(job.waits_for), 0) as needed
         from asyncjob.job
        where job.id = asked.id
        limit 1) as found                           -- it makes each row be found by its id
 order by found.id
