-- Delete the row of a daemon that has drained, and tell the others of the rows that it may have handed back.
with gone as (
    delete from asyncjob.daemon
     where daemon.id = :daemon_id and not exists (select from asyncjob.job where job.daemon_id = daemon.id)
    returning daemon.id
)
select (select count(*) from gone) as gone, asyncjob.notify('asyncjob', 'ready')
