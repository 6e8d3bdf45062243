-- List the last earlier executions of a job, the newest first, with the beginnings of what they said.
-- Each has the last :most_of_log characters of its log.
select execution.number, execution.status, execution.started_at, execution.finished_at, daemon.name as daemon,
       left(execution.message, 2000) as message, left(execution.traceback, 20000) as traceback,
       right(execution.log, :most_of_log) as log
  from asyncjob.execution
  left join asyncjob.daemon on daemon.id = any (array[execution.daemon_id])
 where execution.job_id = :job_id order by execution.number desc limit :limit
