-- Fail a job and all beneath it that have not ended; other jobs may be inserted beneath it meanwhile.
select asyncjob.cancel_tree(:job_id::bigint) as cancelled
