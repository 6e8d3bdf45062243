select job.* from asyncjob.job where job.id = $1
