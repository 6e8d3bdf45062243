-- List Queued jobs in the columns of a list, the next one due first, from after one of them on.
-- :after_at  when that one was due, as it may have changed since
select
-- include inspect/parts/listed
  from asyncjob.job
 where job.status = 'Queued' and job.daemon_id is null
   and job.due_at >= coalesce(:after_at::text::timestamptz, '-infinity')
   and (job.due_at, job.id) > (coalesce(:after_at::text::timestamptz, '-infinity'),
                               coalesce(:after_id::bigint, 0))
 order by job.due_at, job.id
 limit :limit
