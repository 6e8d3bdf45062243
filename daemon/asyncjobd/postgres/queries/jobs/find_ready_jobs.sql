-- Find the first ready rows of the given lanes, in the order in which claim_jobs takes them.
-- `version` changes when the row is written.
-- :names, :after_priorities, :after_ids  for each lane its job name and the place after which it is read
-- :limit  how many rows of each lane, and in all
select ready.job_name, ready.priority, ready.id, ready.version
  from unnest(:names::text[], :after_priorities::smallint[], :after_ids::bigint[])
       as lane (name, after_priority, after_id)
 cross join lateral (
       select job.job_name, job.priority, job.id, job.xmin::text as version
         from asyncjob.job
        where job.job_name = lane.name and job.status = 'In Progress' and job.daemon_id is null
          and (job.priority, job.id) > (lane.after_priority, lane.after_id)
          and job.id <> all (:left_alone::bigint[])
        order by job.priority, job.id
        limit :limit) as ready
 order by ready.priority, ready.id
 limit :limit
