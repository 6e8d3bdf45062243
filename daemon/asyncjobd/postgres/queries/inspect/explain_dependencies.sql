-- Find the other jobs that a job waits for: the one that it watches, and how many have not ended.
-- Looks at the last :max_counted of its children only.
select watched.id, watched.job_name, watched.status::text as status,
       watched.daemon_id is not null as is_running,
       watched.stop_requested as is_stopping, watched.waits_on is not null as is_waiting,
       coalesce(watched.parent_id = job.id and job.waits_for_children, false) as is_child,
       case when watched.daemon_id is not null then watched.started_at
            when watched.status <> 'Hold' then nullif(watched.due_at, 'infinity') end as since,
       (select count(*)
          from unnest(job.waits_for) as listed (id)
          join asyncjob.job as needed on needed.id = listed.id
         where needed.status in ('Queued', 'In Progress', 'Hold')) as needed,
       children.open as children, children.seen as all_children
  from asyncjob.job
  left join asyncjob.job as watched on watched.id = job.waits_on
 cross join lateral (
       select count(*) as seen,
              count(*) filter (where last.status in ('Queued', 'In Progress', 'Hold')) as open
         from (select child.status from asyncjob.job as child
                where child.parent_id between job.id and job.id and job.waits_for_children
                order by child.parent_id desc, child.id desc
                limit :max_counted) as last) as children
 where job.id = :job_id
