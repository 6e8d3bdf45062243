-- List the earlier executions of a job.
select execution.number, execution.status, execution.started_at, execution.finished_at, execution.daemon_id,
       execution.message, execution.traceback, execution.log
  from asyncjob.execution
 where execution.job_id = :job_id order by execution.number
