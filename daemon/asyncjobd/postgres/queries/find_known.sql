-- Rows that a daemon held because nobody served their name, and whose status no client has touched since. Rows that
-- somebody has locked are passed over.
-- $1 the names that are served now, $2 how many at most, $3 rows to leave alone
select job.id
  from asyncjob.job
 where job.job_name = any ($1::text[]) and job.hold_reason is not null and job.status = 'Hold'
   and starts_with(job.hold_reason, 'no daemon serves ') and job.id <> all ($3::bigint[])
 limit $2
   for no key update skip locked
