select * from asyncjob.job
 where ($1::text is null or job_name = $1)
   and ($2::text is null or status = $2::asyncjob.status)
   and ($3::bigint is null or parent_id = $3)
 order by id desc
 limit $4
