-- Find rows that wait for other jobs and have something to learn, as those jobs have ended.
-- Rows that somebody has locked are passed over, so that several daemons find other ones. `seen`: how many
-- there are, locked ones included, of those that watch a job that has ended.
-- :ended_ids   jobs that may have ended; rows that watch one that has are found. 0: rows that watch none yet
-- :failed_ids  those of them that are Failed: whoever waits for one learns so at once, whatever it watches.
--              Of rows that wait for it by its id, only those that have at most 100 ids, and are among the
--              first 10,000 that wait
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
watching as materialized (
    select waiting.id
      from ended
     cross join lateral (
           select job.id from asyncjob.job
            where job.waits_on = ended.id and job.status = 'Queued' and coalesce(job.daemon_id, 0) = 0
              and job.id <> all (:left_alone::bigint[])
            limit :limit
              for no key update skip locked) as waiting
     limit :limit
),
found as (
    select watching.id from watching
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
      where cardinality(waiting.waits_for) <= 100
        and exists (select from unnest(waiting.waits_for) as needed (id)
                     where (needed.id in (select failed.id from failed)) is true)
        and waiting.when_failed is distinct from 'Queued' and waiting.id <> all (:left_alone::bigint[])
      limit :limit)
)
select array(select distinct found.id from found order by found.id) as ids,
       (select count(*) from watching) as watching,
       (select count(*) from (
           select from ended
            cross join lateral (
                  select from asyncjob.job
                   where job.waits_on = ended.id and job.status = 'Queued' and coalesce(job.daemon_id, 0) = 0
                     and job.id <> all (:left_alone::bigint[])
                   limit :limit) as waiting
            limit :limit) as counted) as seen
