-- Count the jobs of each name that were inserted within the last half minute, among the last 5000 of all.
-- `per_second`: since the first of these, or since half a minute.
select last.job_name, count(*) / greatest(max(last.since), 1) as per_second
  from (select job.job_name, job.created_at,
               extract(epoch from now() - min(job.created_at) over ())::float8 as since
          from (select job.job_name, job.created_at from asyncjob.job order by job.id desc limit 5000) as job
         where job.created_at > now() - interval '30 seconds') as last
 group by last.job_name
 order by last.job_name
