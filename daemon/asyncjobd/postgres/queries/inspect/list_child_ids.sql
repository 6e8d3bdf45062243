-- List the first children of a job by their ids, at most :limit.
select child.id
  from asyncjob.job as child
 where child.parent_id between :job_id and :job_id     -- with `=` the primary key would have this order too
 order by child.parent_id, child.id
 limit :limit
