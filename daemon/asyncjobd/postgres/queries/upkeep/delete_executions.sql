-- Delete the oldest executions that ended longer ago than :keep, whatever has become of their jobs.
-- Where two daemons do so at once, the second deletes nothing.
with old as materialized (
    select execution.job_id, execution.number
      from asyncjob.execution
     where execution.finished_at < now() - :keep::text::interval
     order by execution.finished_at
     limit :limit
)
delete from asyncjob.execution using old
 where execution.job_id = old.job_id and execution.number = old.number
returning execution.job_id
