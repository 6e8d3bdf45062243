-- Makes due rows ready, and tells when the next one is due. Rows of names that this daemon does not serve are announced.
-- $1 how many at most, $2 the names that this daemon serves
with candidate as materialized (
    select job.id from asyncjob.job
     where job.status = 'Queued' and job.daemon_id is null and job.due_at <= now()
     order by job.due_at
     limit $1
),
locked as materialized (
    select job.id from candidate join asyncjob.job on job.id = any (array[candidate.id])
     where job.status = 'Queued' and coalesce(job.daemon_id, 0) = 0 and job.due_at <= now()
     order by candidate.id
       for no key update of job skip locked
),
promoted as (
    update asyncjob.job set status = 'In Progress' from locked where job.id = any (array[locked.id])
    returning job.job_name
),
announced as materialized (
    select pg_notify('asyncjob', 'ready') from promoted where promoted.job_name <> all ($2::text[]) limit 1
)
select (select count(*) from candidate) as seen,
       (select count(*) from promoted) as promoted,
       (select count(*) from announced) as announced,
       extract(epoch from clock_timestamp())::float8 as now_epoch,
       (select extract(epoch from min(job.due_at))::float8 from asyncjob.job
         where job.status = 'Queued' and job.daemon_id is null and job.due_at > now()) as next_due_epoch
