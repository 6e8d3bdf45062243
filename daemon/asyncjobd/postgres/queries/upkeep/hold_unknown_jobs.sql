-- Put ready rows of a name that no daemon serves on Hold.
-- find_known_jobs and release_known_jobs know these rows by the first words of their hold_reason.
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
