select job.* from asyncjob.job
 where ($1::text is null or job.job_name = $1)
   and ($2::text is null or job.status = $2::asyncjob.status)
   and ($3::bigint is null or job.parent_id = $3)
 order by job.id desc
 limit $4
