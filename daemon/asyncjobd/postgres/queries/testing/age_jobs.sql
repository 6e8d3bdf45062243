-- Make all jobs older by :time, as if that time had passed, and what limits count of their starts.
-- Not created_at, which tells jobs apart (ClaimedJob.idempotency_key), except that of debounced jobs that
-- have not run, as their at_most counts from it.
with bucket as (
    update asyncjob.bucket set free_at = bucket.free_at - :time::interval
),
job as (
    update asyncjob.job
       set schedule_time       = job.schedule_time - :time::interval,
           due_at              = job.due_at - :time::interval,
           created_at          = case when job.debounce_key is not null and job.execution_total = 0
                                      then job.created_at - :time::interval else job.created_at end,
           started_at          = job.started_at - :time::interval,
           finished_at         = job.finished_at - :time::interval,
           last_execution_time = job.last_execution_time - :time::interval
)
update asyncjob.execution set started_at = execution.started_at - :time::interval,
                              finished_at = execution.finished_at - :time::interval
