-- Let rows that wait for other jobs watch an open one of them or, where there is none, go on.
--
-- Returns what each row watches now: it may have ended meanwhile, and has to be asked for again after this
-- has committed. A row that somebody has locked, or has just changed, is not returned.
--
-- :failed_ids  jobs that are known to have failed; a child is found among these as long as others are open
with locked as materialized (
    select job.ctid as place, job.id, job.waits_for, job.waits_for_children, job.when_failed, job.waits_on,
           greatest(job.schedule_time, now()) as due_at
      from (select job.ctid as place
              from unnest(:job_ids::bigint[]) as candidate (id)
              join asyncjob.job on job.id = any (array[candidate.id])
             order by candidate.id) as seen
      -- by its place: a row that was changed after this statement began may name jobs that it does not see
      join asyncjob.job on job.ctid = seen.place
     where coalesce(job.waits_on, -1) >= 0 and job.status = 'Queued' and coalesce(job.daemon_id, 0) = 0
       for no key update of job skip locked
),
-- The last open child is found from the old watch downwards, as children mostly end in their order, and then
-- among those that have come since. The watch itself may be open: another daemon may have written it just
-- now. `between`: with `=` the primary key would have this order too.
watching as materialized (
    select locked.*,
           coalesce(
               case when locked.waits_for_children then coalesce(
                   (select child.id from asyncjob.job as child
                     where child.parent_id between locked.id and locked.id and child.id <= locked.waits_on
                       and child.status in ('Queued', 'In Progress', 'Hold')
                     order by child.parent_id desc, child.id desc limit 1),
                   (select child.id from asyncjob.job as child
                     where child.parent_id between locked.id and locked.id and child.id > locked.waits_on
                       and child.status in ('Queued', 'In Progress', 'Hold')
                     order by child.parent_id desc, child.id desc limit 1)) end,
               (select max(needed.id)
                  from unnest(locked.waits_for) as listed (id)
                 cross join lateral (
                       select job.id from asyncjob.job
                        where job.id = listed.id and job.status in ('Queued', 'In Progress', 'Hold')
                        limit 1) as needed)) as watch
      from locked
),
failed_child as materialized (
    select job.parent_id, min(job.id) as id
      from unnest(:failed_ids::bigint[]) as known (id)
      join asyncjob.job on job.id = any (array[known.id]) and job.status = 'Failed'
     group by job.parent_id
),
judged as materialized (
    select watching.*,
           case when watching.when_failed is distinct from 'Queued' then coalesce(
               (select min(needed.id)
                  from unnest(watching.waits_for) as listed (id)
                 cross join lateral (
                       select job.id from asyncjob.job
                        where job.id = listed.id and job.status = 'Failed' limit 1) as needed),
               case when watching.waits_for_children then coalesce(
                   (select failed_child.id from failed_child where failed_child.parent_id = watching.id),
                   case when watching.watch is null or watching.waits_on = 0 then
                       (select child.id from asyncjob.job as child
                         where child.parent_id between watching.id and watching.id and child.status = 'Failed'
                         order by child.parent_id, child.id limit 1) end) end) end as failed
      from watching
),
decided as materialized (
    select judged.*,
           case when judged.failed is not null and coalesce(judged.when_failed, 'Failed') <> 'In Progress'
                then coalesce(judged.when_failed, 'Failed')
                when judged.failed is null and judged.watch is not null then 'Queued'
                else asyncjob.waiting_status(judged.due_at) end as status
      from judged
)
update asyncjob.job
   set status      = decided.status,
       waits_on    = case when decided.status = 'Hold' then decided.failed
                          when decided.failed is null then decided.watch end,
       due_at      = case when decided.status = 'Hold' or decided.failed is null and decided.watch is not null
                          then 'infinity' else decided.due_at end,
       hold_reason = case when decided.status = 'Hold'
                          then format('job %s, which it waited for, has failed', decided.failed) end,
       message     = case decided.status
                          when 'Failed' then format('job %s, which it waited for, has failed', decided.failed)
                          when 'Completed'
                          then format('skipped: job %s, which it waited for, has failed', decided.failed)
                          else job.message end,
       finished_at = case when decided.status in ('Completed', 'Failed') then now() else job.finished_at end
  from decided
 where job.ctid = decided.place
returning job.id, job.job_name, job.status::text as status, job.waits_on, decided.failed,
          extract(epoch from nullif(job.due_at, 'infinity'))::float8 as due_epoch
