-- Deletes the oldest executions, whatever has become of their jobs. Of two daemons that do so at once one finds nothing left.
-- :keep how long they are kept, :limit how many at the most
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
