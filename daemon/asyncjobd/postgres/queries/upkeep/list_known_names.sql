-- List the job names that daemons serve or have served.
select action.name from asyncjob.action order by action.name
