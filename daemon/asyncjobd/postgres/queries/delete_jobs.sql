-- Deletes rows that ended long enough ago. $1 and $2 how long Completed and Failed ones are kept (null: for ever), $3 ids
with old as materialized (
    select candidate.id
      from unnest($3::bigint[]) as candidate (id)
     cross join lateral (
           select from asyncjob.job
            where job.id = candidate.id and coalesce(job.daemon_id, 0) = 0
              and job.finished_at < now() - case job.status when 'Completed' then $1::text::interval
                                                            when 'Failed' then $2::text::interval end
              for update skip locked) as job
)
delete from asyncjob.job using old where job.id = any (array[old.id])
returning job.id
