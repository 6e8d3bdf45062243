-- Find the ready rows of a limited action that claim_jobs would take now, with the same arguments.
-- `version` changes when the row is written.
select job.job_name, job.priority, job.id, job.xmin::text as version
  from asyncjob.pick_limited(
       :name, :limit, :is_ahead, :left_alone::bigint[], null,
       :after_key, :after_priority, :after_id) as picked
 cross join unnest(picked.places) as place (ctid)
  join asyncjob.job on job.ctid = place.ctid
 order by job.priority, job.id
