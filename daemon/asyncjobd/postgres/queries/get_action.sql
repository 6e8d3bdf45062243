select * from asyncjob.action where name = $1
