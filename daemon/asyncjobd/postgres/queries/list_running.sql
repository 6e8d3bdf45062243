-- What daemons have in hand, the longest first. $1 how many at most
select id, job_name, daemon_id, execution_count, lease < 0 as is_stopping, progress, left(progress_message, 500) as progress_message,
       extract(epoch from now() - started_at)::float8 as running_for
  from asyncjob.job where daemon_id is not null order by started_at, id limit $1
