-- Count the jobs that will be due within a day, by the minutes from now; of the first :limit of them.
select floor(extract(epoch from due.due_at - now()) / 60)::integer as minute, count(*) as jobs
  from (select job.due_at
          from asyncjob.job
         where job.status = 'Queued' and job.daemon_id is null
           and job.due_at >= now() and job.due_at < now() + interval '1 day'
         order by job.due_at
         limit :limit) as due
 group by minute
 order by minute
