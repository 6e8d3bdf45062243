-- List Failed jobs in the columns of a list, the last to end first, from after one of them on.
with recursive
-- include inspect/parts/shown_names
select failed.* from shown
 cross join lateral (
       select
-- include inspect/parts/listed
         from asyncjob.job
        where job.job_name = shown.job_name and job.status = 'Failed'
          and enum_ne(job.status, 'In Progress') and enum_ne(job.status, 'Completed')
          and job.finished_at <= coalesce((select last.finished_at from asyncjob.job as last
                                            where last.id = :after_id), 'infinity')
          and (:after_id::bigint is null
               or (job.finished_at, job.id) < (select last.finished_at, last.id from asyncjob.job as last
                                                where last.id = :after_id))
        order by job.finished_at desc, job.id desc
        limit :limit) as failed
 where shown.job_name like :name_pattern
 order by failed.finished_at desc, failed.id desc
 limit :limit
