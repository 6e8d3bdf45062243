-- Make due rows ready, and tell when the next one is due.
-- Rows that somebody has locked are skipped, however many they are. As nothing waits here for a lock, rows
-- may be locked in the order of due_at. `seen`: how many rows are due, locked ones included.
-- The commit does not wait for the disk: that of the claim does, for this one too. After a crash before it
-- the rows are due as they were.
-- :only_ids  only these rows; null: all
with locked as materialized (
    select job.ctid as place
      from asyncjob.job
     where job.status = 'Queued' and job.daemon_id is null and job.due_at <= now()
       and job.id <> all (:left_alone::bigint[])
       and (:only_ids::bigint[] is null or job.id = any (:only_ids::bigint[]))
     order by job.due_at
     limit :limit
       for no key update skip locked
),
promoted as (
    update asyncjob.job set status = 'In Progress'
      from locked
     where job.ctid = locked.place
    returning job.job_name
)
select (select count(*)
          from (select from asyncjob.job
                 where job.status = 'Queued' and job.daemon_id is null and job.due_at <= now()
                   and job.id <> all (:left_alone::bigint[])
                 limit :limit) as due) as seen,
       (select count(*) from promoted) as promoted,
       array(select distinct promoted.job_name from promoted) as names,
       extract(epoch from clock_timestamp())::float8 as now_epoch,
       (select extract(epoch from min(job.due_at))::float8
          from asyncjob.job
         where job.status = 'Queued' and job.daemon_id is null
           and job.due_at > now() and job.due_at < 'infinity') as next_due_epoch
  from (select set_config('synchronous_commit', 'off', true)) as setting
