-- The first ready rows of the given lanes, in the order in which claim.sql takes them; another `version`: it was written.
-- $1 job names, $2 and $3 the priority and id after which each is read, $4 how many of each and in all, $5 rows to leave alone
select ready.job_name, ready.priority, ready.id, ready.version
  from unnest($1::text[], $2::smallint[], $3::bigint[]) as lane (name, after_priority, after_id)
 cross join lateral (
       select job.job_name, job.priority, job.id, job.xmin::text as version
         from asyncjob.job
        where job.job_name = lane.name and job.status = 'In Progress' and job.daemon_id is null
          and (job.priority, job.id) > (lane.after_priority, lane.after_id)
          and job.id <> all ($5::bigint[])
        order by job.priority, job.id
        limit $4) as ready
 order by ready.priority, ready.id
 limit $4
