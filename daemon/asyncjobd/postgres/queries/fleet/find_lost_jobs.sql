-- Rows that are owned by daemons that are gone: those named in :gone_daemons, and those that have no row any more. Rows that somebody
-- has locked are passed over.
-- :gone_daemons daemons, :limit how many at most, :left_alone rows to leave alone
select job.id
  from asyncjob.job
 where job.daemon_id is not null
   and (job.daemon_id = any (:gone_daemons::bigint[])
        or not exists (select from asyncjob.daemon where daemon.id = job.daemon_id))
   and job.id <> all (:left_alone::bigint[])
 limit :limit
   for no key update of job skip locked
