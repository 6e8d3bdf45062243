-- Search for jobs, the newest first, among the :width rows before an id, in the columns of a list.
-- `reached`: the first id that was looked at, inserted at `reached_at`; null: there are no rows before. One
-- row without a job: none is selected.
with reached (id) as materialized (
    select min(next.id)
      from (select job.id from asyncjob.job where job.id < :before_id
             order by job.id desc limit :width) as next
)
select reached.id as reached, oldest.created_at as reached_at, selected.*
  from reached
  left join asyncjob.job as oldest on oldest.id = any (array[reached.id])
  left join lateral (
       select
-- include inspect/parts/listed
         from asyncjob.job
        where job.id < :before_id and job.id >= reached.id
-- include inspect/parts/selected
        order by job.id desc
        limit :limit) as selected on true
