select status::text, count(*) from asyncjob.job where parent_id = $1 group by status
