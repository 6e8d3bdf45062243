-- Find rows that wait for other jobs and have something to learn, as those jobs have ended.
-- :ended_ids   jobs that may have ended; rows that watch one that has are found. 0: rows that watch none yet
-- :failed_ids  those of them that are Failed: whoever waits for one learns so at once, whatever it watches;
--              of rows that wait for it by its id, only the first 10,000 that wait at all
with ended as materialized (
    select candidate.id
      from unnest(:ended_ids::bigint[]) as candidate (id)
     where not exists (select from asyncjob.job
                        where job.id = any (array[candidate.id])
                          and job.status in ('Queued', 'In Progress', 'Hold'))
),
failed as materialized (
    select job.id, job.parent_id
      from unnest(:failed_ids::bigint[]) as candidate (id)
      join asyncjob.job on job.id = any (array[candidate.id]) and job.status = 'Failed'
),
found as (
    (select waiting.id
       from ended
      cross join lateral (
            select job.id from asyncjob.job
             where job.waits_on = ended.id and job.status = 'Queued' and job.id <> all (:left_alone::bigint[])
             limit :limit) as waiting
      limit :limit)
    union all
    (select parent.id
       from failed
       join asyncjob.job as parent on parent.id = any (array[failed.parent_id])
      where parent.waits_for_children and coalesce(parent.waits_on, -1) >= 0 and parent.status = 'Queued'
        and parent.when_failed is distinct from 'Queued' and parent.id <> all (:left_alone::bigint[])
      limit :limit)
    union all
    (select waiting.id
       from (select job.id, job.waits_for, job.when_failed from asyncjob.job
              where job.waits_on is not null and job.status = 'Queued'
                and (select count(*) from failed) > 0
              order by job.waits_on limit 10000) as waiting
      where waiting.waits_for && array(select failed.id from failed)
        and waiting.when_failed is distinct from 'Queued' and waiting.id <> all (:left_alone::bigint[])
      limit :limit)
)
select distinct found.id from found order by found.id limit :limit
