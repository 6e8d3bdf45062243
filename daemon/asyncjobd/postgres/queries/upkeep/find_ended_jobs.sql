-- Rows that ended long enough ago, on a walk along the primary key. `last` is where it goes on; null where the rows are
-- too young for any behind them to have ended so long ago.
-- :keep_completed and :keep_failed how long Completed and Failed ones are kept (null: for ever), :after_id after this id, :limit how many to look at
with looked as materialized (
    select job.id, job.created_at,
           job.daemon_id is null
           and job.finished_at < now() - case job.status when 'Completed' then :keep_completed::text::interval
                                                         when 'Failed' then :keep_failed::text::interval end as is_old
      from asyncjob.job
     where job.id > :after_id
     order by job.id
     limit :limit
)
select array(select looked.id from looked where looked.is_old order by looked.id) as ids,
       (select max(looked.id) from looked
        having min(looked.created_at) < now() - least(:keep_completed::text::interval, :keep_failed::text::interval)) as last
