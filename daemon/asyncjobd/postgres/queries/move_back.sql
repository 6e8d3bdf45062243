-- All jobs are so much older, as if that time had passed: for tests of handlers. But for created_at, which tells jobs
-- apart (ClaimedJob.idempotency_key).
-- $1 how much
with job as (
    update asyncjob.job
       set schedule_time       = schedule_time - $1::interval,
           due_at              = due_at - $1::interval,
           started_at          = started_at - $1::interval,
           finished_at         = finished_at - $1::interval,
           last_execution_time = last_execution_time - $1::interval
)
update asyncjob.execution set started_at = started_at - $1::interval, finished_at = finished_at - $1::interval
