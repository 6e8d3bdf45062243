-- Find watched jobs that have ended, on a walk along the rows that wait for other jobs.
-- `last`: the watch where the walk goes on; null at its end. `is_any`: whether a row was looked at.
-- :after_id, :limit  where the walk is, and how many rows are looked at; -1: its start
with looked as materialized (
    select job.waits_on
      from asyncjob.job
     where job.waits_on > :after_id and job.waits_on is not null and job.status = 'Queued'
     order by job.waits_on
     limit :limit
)
select array(select distinct looked.waits_on from looked
              where not exists (select from asyncjob.job as watched
                                 where watched.id = any (array[looked.waits_on])
                                   and watched.status in ('Queued', 'In Progress', 'Hold'))) as ended,
       (select max(looked.waits_on) from looked having count(*) = :limit) as last,
       exists (select from looked) as is_any
