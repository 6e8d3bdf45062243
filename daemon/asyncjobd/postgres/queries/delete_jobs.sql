-- Deletes rows that ended long enough ago, on a walk along the primary key. `last` is where it goes on; null where the
-- rows are too young for any behind them to have ended so long ago.
-- $1 and $2 how long Completed and Failed ones are kept (null: for ever), $3 after this id, $4 how many to look at
with looked as materialized (
    select job.id, job.created_at from asyncjob.job where job.id > $3 order by job.id limit $4
),
old as materialized (
    select looked.id
      from looked
     cross join lateral (
           select from asyncjob.job
            where job.id = looked.id and coalesce(job.daemon_id, 0) = 0
              and job.finished_at < now() - case job.status when 'Completed' then $1::text::interval
                                                             when 'Failed' then $2::text::interval end
              for update skip locked) as job
),
deleted as (
    delete from asyncjob.job using old where job.id = any (array[old.id]) returning job.id
)
select (select count(*) from deleted) as deleted,
       (select max(looked.id) from looked
        having min(looked.created_at) < now() - least($1::text::interval, $2::text::interval)) as last
