-- Write a status to selected jobs among the :width rows after an id, to at most :limit of them.
-- `reached`: the last id that was looked at; null: there are no rows after it. `written`: how many jobs got
-- the status. Left out were those in none of :only_from (`unfit`), those that have ended and would run again
-- with a key that another job has (`taken`), and those that others have locked (`locked`).
with next (id) as materialized (
    select max(job.id)
      from (select job.id from asyncjob.job where job.id > :after_id order by job.id limit :width) as job
),
selected as materialized (
    select job.id, job.status = any (:only_from::text[]::asyncjob.status[]) as fits,
           case when job.status in ('Completed', 'Failed') then job.unique_key end as unique_key,
           case when job.finished_at is not null and job.started_at is null then job.debounce_key
           end as debounce_key
      from next
     cross join lateral (
           select job.id, job.status, job.unique_key, job.debounce_key, job.started_at, job.finished_at
             from asyncjob.job
            where job.id > :after_id and job.id <= next.id
-- include inspect/parts/selected
            order by job.id
            limit :limit) as job
),
keyed as materialized (
    select selected.id,
           selected.unique_key is not null
           and row_number() over (partition by selected.unique_key order by selected.id) > 1
           or selected.debounce_key is not null
           and row_number() over (partition by selected.debounce_key order by selected.id) > 1
           or exists (select from asyncjob.job as other
                       where other.unique_key = selected.unique_key
                         and other.status in ('Queued', 'In Progress', 'Hold'))
           or exists (select from asyncjob.job as other
                       where other.debounce_key = selected.debounce_key
                         and other.started_at is null and other.finished_at is null) as is_taken
      from selected
     where selected.fits
),
locked as materialized (
    select job.id
      from (select keyed.id from keyed where not keyed.is_taken order by keyed.id offset 0) as meant
     cross join lateral (
           select job.id from asyncjob.job
            where job.id = meant.id and job.status = any (:only_from::text[]::asyncjob.status[])
              for no key update skip locked) as job
),
written as (
    update asyncjob.job set status = :new_status::text::asyncjob.status
      from locked
     where job.id = locked.id
    returning job.id
)
select case when (select count(*) from selected) < :limit then (select next.id from next)
            else (select max(selected.id) from selected) end as reached,
       (select count(*) from written) as written,
       (select count(*) from selected where not selected.fits) as unfit,
       (select count(*) from keyed where keyed.is_taken) as taken,
       (select count(*) from keyed where not keyed.is_taken) - (select count(*) from locked) as locked
