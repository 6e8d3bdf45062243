-- The jobs of these names that are ready, due or running. $1 names
select * from asyncjob.job
 where job_name = any ($1)
   and (daemon_id is not null or status = 'In Progress' or (status = 'Queued' and due_at <= now()))
 order by id
