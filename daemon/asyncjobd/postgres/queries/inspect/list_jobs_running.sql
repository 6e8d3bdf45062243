-- List running jobs in the columns of a list, the longest running first, from after one of them on.
-- :after_at  when that one began, as it may have changed since
select
-- include inspect/parts/listed
  from asyncjob.job
 where job.daemon_id is not null and job.job_name like :name_pattern
   and (:after_id::bigint is null
        or (job.started_at, job.id) > (:after_at::text::timestamptz, :after_id::bigint))
 order by job.started_at, job.id
 limit :limit
