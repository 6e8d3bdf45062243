-- $1 the unknown name, $2 why, $3 grace in seconds since it was due, $4 how many at most
with candidate as materialized (
    select job.id from asyncjob.job
     where job.job_name = $1 and job.status = 'In Progress' and job.daemon_id is null
       and job.due_at <= now() - make_interval(secs => $3)
     order by job.priority, job.id
     limit $4
),
locked as materialized (
    select job.id from candidate join asyncjob.job on job.id = any (array[candidate.id])
     where job.job_name = $1 and job.status = 'In Progress' and coalesce(job.daemon_id, 0) = 0
       and not exists (select from asyncjob.action where action.name = $1)
     order by candidate.id
       for no key update of job skip locked
)
update asyncjob.job set status = 'Hold', hold_reason = $2 from locked
 where job.id = any (array[locked.id])
returning job.id
