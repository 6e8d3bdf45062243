-- Puts ready rows on Hold whose name no daemon serves. The reason begins with words that release_known.sql knows.
-- :job_ids ids, :job_name the name, :advice what may help
with locked as materialized (
    select job.id
      from unnest(:job_ids::bigint[]) as candidate (id)
      join asyncjob.job on job.id = any (array[candidate.id])
     where job.job_name = :job_name and job.status = 'In Progress' and coalesce(job.daemon_id, 0) = 0
       and not exists (select from asyncjob.action where action.name = :job_name)
     order by candidate.id
       for no key update of job skip locked
)
update asyncjob.job
   set status = 'Hold', hold_reason = 'no daemon serves ' || quote_literal(:job_name) || '; ' || :advice
  from locked
 where job.id = any (array[locked.id])
returning job.id
