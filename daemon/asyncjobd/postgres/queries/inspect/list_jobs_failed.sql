-- List Failed jobs in the columns of a list, the last to end first, from after one of them on.
-- :after_at  when that one ended, as it may have changed since
with recursive
-- include inspect/parts/shown_names
select failed.* from shown
 cross join lateral (
       select
-- include inspect/parts/listed
         from asyncjob.job
        where job.job_name = shown.job_name and job.status = 'Failed'
          and enum_ne(job.status, 'In Progress') and enum_ne(job.status, 'Completed')
          and job.finished_at <= coalesce(:after_at::text::timestamptz, 'infinity')
          and (:after_id::bigint is null
               or (job.finished_at, job.id) < (:after_at::text::timestamptz, :after_id::bigint))
        order by job.finished_at desc, job.id desc
        limit :limit) as failed
 where shown.job_name like :name_pattern
 order by failed.finished_at desc, failed.id desc
 limit :limit
