-- Waits for a client that has the row, so that record.sql does not pass it over.
select from asyncjob.job where job.id = $1 for no key update
