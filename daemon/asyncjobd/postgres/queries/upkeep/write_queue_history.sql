-- Write how the queue stands at the end of a minute, unless another daemon has done so; return the clock.
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
        on conflict do nothing
    returning rollup.job_name
)
select count(*) as written, extract(epoch from clock_timestamp())::float8 as now_epoch from written
