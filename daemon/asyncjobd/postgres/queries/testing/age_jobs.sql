-- Make all jobs older by :time, as if that time had passed.
-- Not created_at, which tells jobs apart (ClaimedJob.idempotency_key).
with job as (
    update asyncjob.job
       set schedule_time       = job.schedule_time - :time::interval,
           due_at              = job.due_at - :time::interval,
           started_at          = job.started_at - :time::interval,
           finished_at         = job.finished_at - :time::interval,
           last_execution_time = job.last_execution_time - :time::interval
)
update asyncjob.execution set started_at = execution.started_at - :time::interval,
                              finished_at = execution.finished_at - :time::interval
