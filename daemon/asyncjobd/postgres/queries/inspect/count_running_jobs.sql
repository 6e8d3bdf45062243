-- Counts the jobs that each daemon has in hand.
select job.daemon_id, count(*) as jobs
  from asyncjob.job
 where job.daemon_id is not null
 group by job.daemon_id
