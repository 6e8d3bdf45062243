-- Jobs, the newest first. What is null does not select. $1 name, $2 status, $3 whether a daemon has it, $4 parent,
-- $5 unique key, $6 how many at most
select job.* from asyncjob.job
 where ($1::text is null or job.job_name = $1)
   and ($2::text is null or job.status = $2::asyncjob.status)
   and ($3::boolean is null or (job.daemon_id is not null) = $3)
   and ($4::bigint is null or job.parent_id = $4)
   and ($5::text is null or job.unique_key = $5)
 order by job.id desc
 limit $6
