-- List Queued jobs in the columns of a list, the next one due first, from after one of them on.
select
-- include inspect/parts/listed
  from asyncjob.job
 where job.status = 'Queued' and job.daemon_id is null
   and job.due_at >= coalesce((select last.due_at from asyncjob.job as last where last.id = :after_id),
                              '-infinity')
   and (job.due_at, job.id) > (
       select coalesce(max(last.due_at), '-infinity'), coalesce(max(last.id), 0)
         from asyncjob.job as last where last.id = :after_id)
 order by job.due_at, job.id
 limit :limit
