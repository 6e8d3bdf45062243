-- Read the params of a claimed row; null where they take more than 100 MB, as jsonb or as text.
select case when octet_length(read.params) <= 100000000 then read.params end as params
  from (select case when pg_column_size(job.params || '{}') <= 100000000 then job.params::text end as params
          from asyncjob.job
         where job.id = :job_id and job.claim_token = :claim_token
        offset 0) as read
