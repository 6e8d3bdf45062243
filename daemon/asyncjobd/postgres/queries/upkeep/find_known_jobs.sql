-- Find rows that hold_unknown_jobs has held and whose names are served now; locked rows are skipped.
select job.id
  from asyncjob.job
 where job.job_name = any (:served_names::text[]) and job.hold_reason is not null and job.status = 'Hold'
   and starts_with(job.hold_reason, 'no daemon serves ') and job.id <> all (:left_alone::bigint[])
 limit :limit
   for no key update skip locked
