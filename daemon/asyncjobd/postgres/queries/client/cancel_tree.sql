-- Fail a job and all beneath it that have not ended; other jobs may be inserted beneath it meanwhile.
-- `stopping`: how many of them ran before that, whose handlers may do so.
select asyncjob.cancel_tree(:job_id::bigint) as cancelled,
       (select count(*)
          from asyncjob.tree(:job_id::bigint) as tree (id)
         cross join lateral (
               select from asyncjob.job
                where job.id = tree.id and job.daemon_id is not null limit 1) as running) as stopping
