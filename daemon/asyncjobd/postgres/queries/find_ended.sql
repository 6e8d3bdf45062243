-- Rows that ended long enough ago, on a walk along the primary key. `last` is where it goes on; null where the rows are
-- too young for any behind them to have ended so long ago.
-- $1 and $2 how long Completed and Failed ones are kept (null: for ever), $3 after this id, $4 how many to look at
with looked as materialized (
    select job.id, job.created_at,
           job.daemon_id is null
           and job.finished_at < now() - case job.status when 'Completed' then $1::text::interval
                                                         when 'Failed' then $2::text::interval end as is_old
      from asyncjob.job
     where job.id > $3
     order by job.id
     limit $4
)
select array(select looked.id from looked where looked.is_old order by looked.id) as ids,
       (select max(looked.id) from looked
        having min(looked.created_at) < now() - least($1::text::interval, $2::text::interval)) as last
