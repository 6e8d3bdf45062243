-- Delete the rows of daemons that are gone and own no jobs any more.
delete from asyncjob.daemon
 where daemon.id = any (:daemon_ids::bigint[])
   and not exists (select from asyncjob.job where job.daemon_id = daemon.id)
returning daemon.id
