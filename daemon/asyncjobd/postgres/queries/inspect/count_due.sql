-- Count the jobs that are due within a day, by the minutes from now; of the first :limit of them.
-- What is due already counts for the first minute.
select greatest(floor(extract(epoch from due.due_at - now()) / 60), 0)::integer as minute, count(*) as jobs
  from (select job.due_at
          from asyncjob.job
         where job.status = 'Queued' and job.daemon_id is null
           and job.due_at < now() + interval '1 day'
         order by job.due_at
         limit :limit) as due
 group by minute
 order by minute
