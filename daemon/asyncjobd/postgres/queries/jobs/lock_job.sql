-- Wait for a client that has locked the row, so that record_outcomes does not skip it.
select from asyncjob.job where job.id = :job_id for no key update
