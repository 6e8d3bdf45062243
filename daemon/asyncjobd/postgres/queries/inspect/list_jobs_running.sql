-- List running jobs in the columns of a list, the longest running first, from after one of them on.
select
-- include inspect/parts/listed
  from asyncjob.job
 where job.daemon_id is not null and job.job_name like :name_pattern
   and (:after_id::bigint is null
        or (job.started_at, job.id) > (select last.started_at, last.id from asyncjob.job as last
                                        where last.id = :after_id))
 order by job.started_at, job.id
 limit :limit
