-- Puts ready rows on Hold whose name no daemon serves. The reason begins with words that release_known.sql knows.
-- $1 ids, $2 the name, $3 what may help
with locked as materialized (
    select job.id
      from unnest($1::bigint[]) as candidate (id)
      join asyncjob.job on job.id = any (array[candidate.id])
     where job.job_name = $2 and job.status = 'In Progress' and coalesce(job.daemon_id, 0) = 0
       and not exists (select from asyncjob.action where action.name = $2)
     order by candidate.id
       for no key update of job skip locked
)
update asyncjob.job
   set status = 'Hold', hold_reason = 'no daemon serves ' || quote_literal($2) || '; ' || $3
  from locked
 where job.id = any (array[locked.id])
returning job.id
