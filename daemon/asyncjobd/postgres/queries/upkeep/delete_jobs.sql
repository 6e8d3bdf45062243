-- Delete those of the given rows that ended longer ago than they are kept.
-- A row stays while its parent, which waits for its children, has not ended, and while a row watches it: what
-- it has come to is still asked for.
-- :keep_completed, :keep_failed  how long Completed and Failed rows are kept (null: for ever)
with old as materialized (
    select candidate.id
      from unnest(:job_ids::bigint[]) as candidate (id)
     cross join lateral (
           select from asyncjob.job
            where job.id = candidate.id and coalesce(job.daemon_id, 0) = 0
              and job.finished_at
                  < now() - case job.status when 'Completed' then :keep_completed::text::interval
                                            when 'Failed' then :keep_failed::text::interval end
              and not exists (select from asyncjob.job as parent
                               where parent.id = any (array[job.parent_id]) and parent.waits_for_children
                                 and parent.status in ('Queued', 'In Progress', 'Hold'))
              and not exists (select from asyncjob.job as waiting
                               where waiting.waits_on = candidate.id and waiting.status = 'Queued')
              for update of job skip locked) as job
)
delete from asyncjob.job using old where job.id = any (array[old.id])
returning job.id
