-- Find rows whose daemon is gone: it is one of :gone_daemons, or has no row any more.
-- Locked rows are skipped.
select job.id
  from asyncjob.job
 where job.daemon_id is not null
   and (job.daemon_id = any (:gone_daemons::bigint[])
        or not exists (select from asyncjob.daemon where daemon.id = job.daemon_id))
   and job.id <> all (:left_alone::bigint[])
 limit :limit
   for no key update of job skip locked
