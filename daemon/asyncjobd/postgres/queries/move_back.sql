-- All jobs are so much older, as if that time had passed: for tests of handlers. But for created_at, which tells jobs
-- apart (ClaimedJob.idempotency_key).
-- $1 how much
with job as (
    update asyncjob.job
       set schedule_time       = job.schedule_time - $1::interval,
           due_at              = job.due_at - $1::interval,
           started_at          = job.started_at - $1::interval,
           finished_at         = job.finished_at - $1::interval,
           last_execution_time = job.last_execution_time - $1::interval
)
update asyncjob.execution set started_at = execution.started_at - $1::interval,
                              finished_at = execution.finished_at - $1::interval
