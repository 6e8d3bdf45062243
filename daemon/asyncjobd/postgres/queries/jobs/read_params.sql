-- The params of a row that this lease has claimed; null where they take more than 100 MB, as they are or as text.
-- :job_id id, :claim_token lease
select case when octet_length(read.params) <= 100000000 then read.params end as params
  from (select case when pg_column_size(job.params || '{}') <= 100000000 then job.params::text end as params
          from asyncjob.job
         where job.id = :job_id and abs(job.lease) = :claim_token
        offset 0) as read
