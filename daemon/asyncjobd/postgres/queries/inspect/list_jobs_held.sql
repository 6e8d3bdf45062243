-- List jobs on Hold in the columns of a list, the newest first, from after one of them on.
-- Of each name, those among its first 10,000 by the index.
with recursive
-- include inspect/parts/shown_names
select held.* from shown
 cross join lateral (
       select
-- include inspect/parts/listed
         from asyncjob.job
        where job.job_name = shown.job_name and job.status = 'Hold'
          and enum_ne(job.status, 'In Progress') and enum_ne(job.status, 'Completed')
          and (:after_id::bigint is null or job.id < :after_id)
        order by job.finished_at desc
        limit 10000) as held
 where shown.job_name like :name_pattern
 order by held.id desc
 limit :limit
