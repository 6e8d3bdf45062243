-- A daemon that has drained goes, and tells the others of what it may have handed back.
with gone as (
    delete from asyncjob.daemon
     where daemon.id = :daemon_id and not exists (select from asyncjob.job where job.daemon_id = daemon.id)
    returning daemon.id
)
select (select count(*) from gone) as gone, asyncjob.notify('asyncjob', 'ready')
