select number, status, started_at, finished_at, daemon_id, message, traceback from asyncjob.execution
 where job_id = $1 order by number
