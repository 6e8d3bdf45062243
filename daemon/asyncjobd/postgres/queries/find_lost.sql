-- Rows that are owned by daemons that are gone: those named in $1, and those that have no row any more. Rows that somebody
-- has locked are passed over.
-- $1 daemons, $2 how many at most, $3 rows to leave alone
select job.id
  from asyncjob.job
 where job.daemon_id is not null
   and (job.daemon_id = any ($1::bigint[])
        or not exists (select from asyncjob.daemon where daemon.id = job.daemon_id))
   and job.id <> all ($3::bigint[])
 limit $2
   for no key update of job skip locked
