-- List the jobs that daemons have in hand, the longest running first.
select job.id, job.job_name, job.daemon_id, job.execution_count, job.stop_requested as is_stopping,
       job.progress, left(job.progress_message, 500) as progress_message,
       extract(epoch from now() - job.started_at)::float8 as running_for
  from asyncjob.job where job.daemon_id is not null order by job.started_at, job.id limit :limit
