-- Write a status to selected jobs among the :width rows after an id, to at most :limit of them.
-- `reached`: the last id that was looked at; null: there are no rows after it. `written`, `unfit`, `locked`:
-- how many jobs got the status, were in none of :only_from, or were locked by others, and so left out.
with next (id) as materialized (
    select max(job.id)
      from (select job.id from asyncjob.job where job.id > :after_id order by job.id limit :width) as job
),
selected as materialized (
    select job.id, job.status = any (:only_from::text[]::asyncjob.status[]) as fits
      from next
     cross join lateral (
           select job.id, job.status from asyncjob.job
            where job.id > :after_id and job.id <= next.id
-- include inspect/parts/selected
            order by job.id
            limit :limit) as job
),
locked as materialized (
    select job.id
      from (select selected.id from selected where selected.fits order by selected.id offset 0) as meant
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
       (select count(*) from selected where selected.fits) - (select count(*) from locked) as locked
