-- Daemons that are gone and own nothing any more. The gates that they had shut are open: another one that sleeps takes them.
with forgotten as (
    delete from asyncjob.daemon
     where daemon.id = any ($1::bigint[]) and not exists (select from asyncjob.job where job.daemon_id = daemon.id)
    returning daemon.id
)
select pg_notify('asyncjob', 'open') from forgotten limit 1
