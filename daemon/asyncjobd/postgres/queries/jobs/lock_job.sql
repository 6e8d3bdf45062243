-- Waits for a client that has the row, so that record.sql does not pass it over.
select from asyncjob.job where job.id = :job_id for no key update
