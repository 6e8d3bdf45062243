-- Rows that a daemon held because nobody served their name, and whose status no client has touched since.
-- $1 the names that are served now, $2 how many at most
with locked as materialized (
    select id from asyncjob.job
     where job_name = any ($1::text[]) and hold_reason is not null and status = 'Hold'
     order by id
     limit $2
       for no key update skip locked
)
update asyncjob.job set status = 'In Progress', hold_reason = null from locked where job.id = locked.id
returning job.id
