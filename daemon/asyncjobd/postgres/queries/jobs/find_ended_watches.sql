-- Find watched jobs that have ended, on a walk along the rows that wait for other jobs.
-- `stale`: rows whose watch was a child of theirs, until a client gave it another parent. `last`: the watch
-- where the walk goes on; null at its end. `is_any`: whether a row was looked at.
-- :after_id, :limit  where the walk is, and how many rows are looked at; -1: its start
with looked as materialized (
    select job.id, job.waits_on, job.waits_for, job.waits_for_children
      from asyncjob.job
     where job.waits_on > :after_id and job.waits_on is not null and job.status = 'Queued'
     order by job.waits_on
     limit :limit
),
watching as materialized (
    select looked.*, open.id is not null as is_open, open.parent_id
      from looked
      left join lateral (
           select job.id, job.parent_id from asyncjob.job
            where job.id = any (array[looked.waits_on]) and job.status in ('Queued', 'In Progress', 'Hold')
            limit 1) as open on true
)
select array(select distinct watching.waits_on from watching where not watching.is_open) as ended,
       array(select watching.id from watching
              where watching.is_open and watching.waits_for_children
                and watching.parent_id is distinct from watching.id
                and (watching.waits_on = any (watching.waits_for)) is not true
                and watching.id <> all (:left_alone::bigint[])
              order by watching.id) as stale,
       (select max(looked.waits_on) from looked having count(*) = :limit) as last,
       exists (select from looked) as is_any
