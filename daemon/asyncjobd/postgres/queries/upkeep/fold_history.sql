-- Fold the minutes of one hour into that hour, the oldest that ended longer ago than :fold_after.
-- Where two daemons do so at once, the second finds no minutes left. An hour that is there already, as a
-- minute came late, is added to.
with hour as materialized (
    select date_trunc('hour', rollup.began_at) as began_at
      from asyncjob.rollup
     where rollup.minutes = 1 and rollup.began_at < date_trunc('hour', now() - :fold_after::interval)
     order by rollup.began_at
     limit 1
),
minute as (
    delete from asyncjob.rollup
     where rollup.minutes = 1 and rollup.began_at >= (select hour.began_at from hour)
       and rollup.began_at < (select hour.began_at + interval '1 hour' from hour)
    returning date_trunc('hour', rollup.began_at) as hour, rollup.job_name, rollup.completed,
              rollup.failed, rollup.retried, rollup.repeated, rollup.stopped, rollup.waited, rollup.ran,
              rollup.ready, rollup.queued, rollup.held, rollup.oldest_ready
)
insert into asyncjob.rollup
       (minutes, began_at, job_name, daemon_id, completed, failed, retried, repeated, stopped, waited, ran,
        ready, queued, held, oldest_ready)
select 60, minute.hour, minute.job_name, 0,
       sum(minute.completed), sum(minute.failed), sum(minute.retried), sum(minute.repeated),
       sum(minute.stopped), sum(minute.waited), sum(minute.ran),
       max(minute.ready), max(minute.queued), max(minute.held), max(minute.oldest_ready)
  from minute
 group by minute.hour, minute.job_name
 order by minute.job_name
    on conflict (minutes, began_at, job_name, daemon_id) do update
   set completed = rollup.completed + excluded.completed,
       failed = rollup.failed + excluded.failed,
       retried = rollup.retried + excluded.retried,
       repeated = rollup.repeated + excluded.repeated,
       stopped = rollup.stopped + excluded.stopped,
       waited = rollup.waited + excluded.waited,
       ran = rollup.ran + excluded.ran,
       ready = greatest(rollup.ready, excluded.ready),
       queued = greatest(rollup.queued, excluded.queued),
       held = greatest(rollup.held, excluded.held),
       oldest_ready = greatest(rollup.oldest_ready, excluded.oldest_ready)
returning rollup.job_name
