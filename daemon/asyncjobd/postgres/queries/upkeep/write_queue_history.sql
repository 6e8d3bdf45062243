-- Write how the queue stands at the end of a minute, unless another daemon has done so; return the clock.
-- The hour gets the most of its minutes.
-- :minute  when it began, in seconds since 1970
with written as (
    insert into asyncjob.rollup (minutes, began_at, job_name, daemon_id, ready, queued, held, oldest_ready)
    select 1, to_timestamp(:minute), counted.name, 0,
           counted.ready, counted.queued, counted.held, counted.oldest_ready
      from (
-- include inspect/list_actions
      ) as counted
     where counted.ready + counted.queued + counted.held > 0
       and not exists (select from asyncjob.rollup
                        where rollup.minutes = 1 and rollup.began_at = to_timestamp(:minute)
                          and rollup.daemon_id = 0)
     order by counted.name
        on conflict do nothing
    returning rollup.began_at, rollup.job_name, rollup.ready, rollup.queued, rollup.held, rollup.oldest_ready
),
added as (
    insert into asyncjob.rollup (minutes, began_at, job_name, daemon_id, ready, queued, held, oldest_ready)
    select 60, date_trunc('hour', written.began_at, 'UTC'), written.job_name, 0,
           written.ready, written.queued, written.held, written.oldest_ready
      from written
     order by written.job_name
        on conflict (minutes, began_at, job_name, daemon_id) do update
       set ready = greatest(rollup.ready, excluded.ready),
           queued = greatest(rollup.queued, excluded.queued),
           held = greatest(rollup.held, excluded.held),
           oldest_ready = greatest(rollup.oldest_ready, excluded.oldest_ready)
    returning rollup.job_name
)
select count(*) as written, extract(epoch from clock_timestamp())::float8 as now_epoch from added
