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
       select job.id, job.job_name, job.status::text as status, job.daemon_id is not null as is_running,
              job.stop_requested as is_stopping, job.execution_count, job.max_execution_count, job.progress,
              left(coalesce(job.hold_reason, job.message, job.progress_message), 300) as message,
              nullif(job.due_at, 'infinity') as due_at, job.started_at, job.finished_at, job.created_at,
              job.last_execution_time, job.waits_on
         from asyncjob.job
        where job.id < :before_id and job.id >= reached.id
-- include inspect/parts/selected
        order by job.id desc
        limit :limit) as selected on true
