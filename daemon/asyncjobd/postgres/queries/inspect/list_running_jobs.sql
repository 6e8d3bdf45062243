-- What daemons have in hand, the longest first. :limit how many at most
select job.id, job.job_name, job.daemon_id, job.execution_count, job.lease < 0 as is_stopping, job.progress,
       left(job.progress_message, 500) as progress_message, extract(epoch from now() - job.started_at)::float8 as running_for
  from asyncjob.job where job.daemon_id is not null order by job.started_at, job.id limit :limit
