-- Read a whole value of a job as text: its params, result, message or traceback.
-- Null where it has none, or takes more than 10 MB as it is stored.
select case when pg_column_size(job.params) + coalesce(pg_column_size(job.result), 0) <= 10000000
            then case :name::text when 'params' then job.params::text when 'result' then job.result::text
                                  when 'message' then job.message when 'traceback' then job.traceback end
        end as value,
       action.params_schema::text as params_schema
  from asyncjob.job
  left join asyncjob.action on action.name = job.job_name
 where job.id = :job_id
