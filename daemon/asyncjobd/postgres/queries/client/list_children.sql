-- List the children of a job after one of them, in the order of their ids.
-- `between`: with `=` the primary key would have this order too.
select job.* from asyncjob.job
 where job.parent_id between :parent_id::bigint and :parent_id::bigint and job.id > :after_id
 order by job.parent_id, job.id
 limit :limit
