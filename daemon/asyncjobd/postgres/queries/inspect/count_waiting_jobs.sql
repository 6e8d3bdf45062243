-- Count the jobs of each name that wait for other jobs, among the first 10,000 that do.
select waiting.job_name, count(*) as jobs
  from (select job.job_name from asyncjob.job
         where job.waits_on is not null and job.status = 'Queued'
         order by job.waits_on
         limit 10000) as waiting
 group by waiting.job_name
 order by waiting.job_name
