-- List a job and its first children, at most :limit of them, with when they waited and ran.
-- :name  of the children; null: any
-- `has_children`: whether a child has children of its own.
(select job.id, job.job_name, job.status::text as status, job.daemon_id is not null as is_running,
        job.stop_requested as is_stopping, job.parent_id, job.created_at, job.started_at, job.finished_at,
        job.progress, left(job.message, 200) as message, true as is_root, true as has_children
   from asyncjob.job
  where job.id = :job_id)
union all
(select child.id, child.job_name, child.status::text, child.daemon_id is not null, child.stop_requested,
        child.parent_id, child.created_at, child.started_at, child.finished_at, child.progress,
        left(child.message, 200), false,
        exists (select from asyncjob.job as grandchild
                 where grandchild.parent_id between child.id and child.id
                 order by grandchild.parent_id, grandchild.id limit 1)
   from asyncjob.job as child
  where child.parent_id between :job_id and :job_id     -- with `=` the primary key would have this order too
    and (:name::text is null or child.job_name = :name)
  order by child.parent_id, child.id
  limit :limit)
