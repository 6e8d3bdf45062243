select * from asyncjob.job where id = $1
