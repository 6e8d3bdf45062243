-- Delete history that is older than :keep, and return how many rows that were.
-- Where two daemons do so at once, the second deletes nothing.
with deleted as (
    delete from asyncjob.rollup
     where rollup.minutes in (1, 60) and rollup.began_at < now() - :keep::interval
    returning rollup.job_name
)
select count(*) as deleted from deleted
