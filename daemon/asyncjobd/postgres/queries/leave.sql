-- A daemon that has drained goes, and tells the others of what it may have handed back.
with gone as (
    delete from asyncjob.daemon
     where daemon.id = $1 and not exists (select from asyncjob.job where job.daemon_id = daemon.id)
    returning daemon.id
)
select (select count(*) from gone) as gone, pg_notify('asyncjob', 'ready')
