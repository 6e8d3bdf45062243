-- Rows that a daemon held because nobody served their name, and whose status no client has touched since.
-- $1 the names that are served now, $2 how many at most
with candidate as materialized (
    select job.id from asyncjob.job
     where job.job_name = any ($1::text[]) and job.hold_reason is not null and job.status = 'Hold'
     limit $2
),
locked as materialized (
    select job.id from candidate join asyncjob.job on job.id = any (array[candidate.id])
     where job.status = 'Hold' and coalesce(job.hold_reason, '') <> ''
     order by candidate.id
       for no key update of job skip locked
)
update asyncjob.job set status = asyncjob.waiting_status(job.due_at), hold_reason = null from locked
 where job.id = any (array[locked.id])
returning job.id
