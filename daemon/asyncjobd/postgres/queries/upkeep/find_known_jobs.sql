-- Rows that a daemon held because nobody served their name, and whose status no client has touched since. Rows that
-- somebody has locked are passed over.
-- :served_names the names that are served now, :limit how many at most, :left_alone rows to leave alone
select job.id
  from asyncjob.job
 where job.job_name = any (:served_names::text[]) and job.hold_reason is not null and job.status = 'Hold'
   and starts_with(job.hold_reason, 'no daemon serves ') and job.id <> all (:left_alone::bigint[])
 limit :limit
   for no key update skip locked
