-- Read a whole value of a job as text: its params, result, message or traceback.
-- Null where it has none, or takes more than 10 MB.
select case when octet_length(whole.value) <= 10000000 then whole.value end as value,
       action.params_schema::text as params_schema
  from asyncjob.job
  left join asyncjob.action on action.name = job.job_name
 cross join lateral (
       select case :name::text when 'params' then job.params::text when 'result' then job.result::text
                               when 'message' then job.message when 'traceback' then job.traceback end
              as value) as whole
 where job.id = :job_id
