update asyncjob.job set status = $2::text::asyncjob.status
 where id = $1 and status = any ($3::text[]::asyncjob.status[])
returning *
