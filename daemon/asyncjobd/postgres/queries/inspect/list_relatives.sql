-- List the parent of a job, the first jobs that it needs, and its first children, at most :limit of each.
(select 'parent' as relation, parent.id, parent.job_name, parent.status::text as status,
        parent.daemon_id is not null as is_running, parent.stop_requested as is_stopping
   from asyncjob.job
   join asyncjob.job as parent on parent.id = any (array[job.parent_id])
  where job.id = :job_id)
union all
(select 'needed', needed.id, needed.job_name, needed.status::text, needed.daemon_id is not null,
        needed.stop_requested
   from asyncjob.job
  cross join unnest(job.waits_for) as listed (id)
   join asyncjob.job as needed on needed.id = any (array[listed.id])
  where job.id = :job_id
  limit :limit)
union all
(select 'child', child.id, child.job_name, child.status::text, child.daemon_id is not null,
        child.stop_requested
   from asyncjob.job as child
  where child.parent_id between :job_id and :job_id     -- with `=` the primary key would have this order too
  order by child.parent_id, child.id
  limit :limit)
