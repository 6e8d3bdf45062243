-- Find rows that ended longer ago than they are kept, on a walk along the primary key.
-- `last`: the id where the walk goes on; null where the rows are too young for any later ones to be that old.
-- :keep_completed, :keep_failed  how long Completed and Failed rows are kept (null: for ever)
-- :after_id, :limit              where the walk is, and how many rows are looked at
with looked as materialized (
    select job.id, job.created_at,
           job.daemon_id is null
           and job.finished_at
               < now() - case job.status when 'Completed' then :keep_completed::text::interval
                                         when 'Failed' then :keep_failed::text::interval end as is_old
      from asyncjob.job
     where job.id > :after_id
     order by job.id
     limit :limit
)
select array(select looked.id from looked where looked.is_old order by looked.id) as ids,
       (select max(looked.id) from looked
        having min(looked.created_at) < now() - least(:keep_completed::text::interval,
                                                      :keep_failed::text::interval)) as last
