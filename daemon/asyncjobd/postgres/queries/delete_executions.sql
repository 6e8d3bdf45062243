-- Deletes the oldest executions, whatever has become of their jobs. Of two daemons that do so at once one finds nothing left.
-- $1 how long they are kept, $2 how many at the most
with old as materialized (
    select execution.job_id, execution.number
      from asyncjob.execution
     where execution.finished_at < now() - $1::text::interval
     order by execution.finished_at
     limit $2
)
delete from asyncjob.execution using old
 where execution.job_id = old.job_id and execution.number = old.number
returning execution.job_id
