-- Delete history that ended longer ago than :keep, and return how many rows that were.
-- Where two daemons do so at once, the second deletes nothing.
-- :minutes  the length of the rows to delete: 1, or 60
with deleted as (
    delete from asyncjob.rollup
     where rollup.minutes = :minutes
       and rollup.began_at < now() - :keep::interval - :minutes * interval '1 minute'
    returning rollup.job_name
)
select count(*) as deleted from deleted
