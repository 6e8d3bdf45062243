-- The params of a row that this lease has claimed; null where they take more than 100 MB. $1 id, $2 lease
select case when pg_column_size(job.params || '{}') <= 100000000 then job.params end as params
  from asyncjob.job
 where job.id = $1 and abs(job.lease) = $2
