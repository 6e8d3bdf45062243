-- Writes what executions ended in. One is answered when nothing is left to do for it; one that is not answered: its row is
-- locked by a client's open transaction, was changed at this very moment, or its lease is lost (see owned.sql).
-- A negative lease in the row: a client stopped it meanwhile. Then the client's status stands, the outcome is noted.
-- What is answered alike is one row; `numbers` are the places in the arrays, from 1 on.
-- :job_ids id, :claim_tokens lease, :ages seconds since it ended, :outcomes outcome (null: success), :statuses status to be in (null: Completed), :on_grid due
-- again: on the grid?, :delays due again after these seconds (null: retry_interval), :results result, :messages message, :tracebacks traceback,
-- :progress and :progress_messages the last progress and its message (null: none); null for all of a column is cheap
with ended as materialized (
    select ended.number, ended.id, ended.lease, ended.age, coalesce(ended.outcome, 'success') as outcome,
           coalesce(ended.status, 'Completed')::asyncjob.status as status, ended.on_grid, ended.after,
           ended.result::jsonb as result,
           ended.message, ended.traceback, ended.progress, ended.progress_message
      from unnest(:job_ids::bigint[], :claim_tokens::bigint[], :ages::float8[], :outcomes::text[], :statuses::text[], :on_grid::boolean[], :delays::float8[], :results::text[],
                  :messages::text[], :tracebacks::text[], :progress::real[], :progress_messages::text[]) with ordinality
           as ended (id, lease, age, outcome, status, on_grid, after, result, message, traceback, progress,
                     progress_message, number)
     order by ended.id
),
locked as materialized (
    select ended.*, now() - make_interval(secs => ended.age) as ended_at, job.*
      from ended
     cross join lateral (
           select job.ctid as place, job.lease < 0 as is_stopped, job.daemon_id, job.status as row_status,
                  job.last_execution_status as row_outcome, job.execution_total, job.started_at, job.due_at as was_due_at,
                  coalesce(job.schedule_time, job.started_at) as anchor     -- a client may have taken it away meanwhile
             from asyncjob.job
            where job.id = ended.id and abs(job.lease) = ended.lease
              for no key update skip locked) as job
),
kept as (
    insert into asyncjob.execution (job_id, number, daemon_id, started_at, finished_at, status, message, traceback)
    select locked.id, locked.execution_total, locked.daemon_id, locked.started_at, locked.ended_at, locked.outcome,
           locked.message, locked.traceback
      from locked
     where locked.daemon_id is not null and (locked.is_stopped or locked.status not in ('Completed', 'Failed'))
     order by locked.id
        on conflict do nothing
),
written as (
    update asyncjob.job
       set daemon_id             = null,
           status                = case when locked.is_stopped then job.status else locked.status end,
           due_at                = case when locked.is_stopped or locked.status <> 'Queued' then job.due_at
                                        when locked.on_grid then asyncjob.next_grid_time(locked.anchor, job.retry_interval,
                                                                                   greatest(now(), locked.was_due_at))
                                        when locked.after is null then locked.ended_at + job.retry_interval
                                        else locked.ended_at + make_interval(secs => locked.after) end,
           execution_count       = case when locked.is_stopped or locked.outcome = 'stopped'
                                        then greatest(job.execution_count - 1, 0)
                                        when locked.on_grid then 0
                                        else job.execution_count end,
           occurrence            = case when locked.on_grid and not locked.is_stopped then job.occurrence + 1
                                        else job.occurrence end,
           finished_at           = case when locked.is_stopped then job.finished_at
                                        when locked.status in ('Completed', 'Failed') then locked.ended_at end,
           progress              = case when not locked.is_stopped and locked.status = 'Completed' then 1
                                        else coalesce(locked.progress, job.progress) end,
           progress_message      = case when locked.progress is null then job.progress_message
                                        else locked.progress_message end,
           last_execution_status = locked.outcome,
           last_execution_time   = locked.ended_at,
           result                = locked.result,
           message               = case when locked.is_stopped and job.status in ('Completed', 'Failed') then job.message
                                        else locked.message end,
           traceback             = locked.traceback
      from locked
     where job.ctid = locked.place and coalesce(job.daemon_id, 0) <> 0     -- else written before, and the reply was lost
    returning locked.number, locked.is_stopped, job.status, locked.outcome, job.due_at,
              case when locked.on_grid
                   then asyncjob.grid_number(locked.anchor, job.retry_interval, greatest(now(), locked.was_due_at))
                      - asyncjob.grid_number(locked.anchor, job.retry_interval, locked.was_due_at) end as skipped
)
select array_agg(written.number) as numbers, false as is_stopped, 'Completed' as status, null as outcome, null::float8 as due_epoch,
       null::bigint as skipped
  from written where written.status = 'Completed' and not written.is_stopped
having count(*) > 0
 union all
select array[written.number], written.is_stopped, written.status::text, written.outcome, date_part('epoch', written.due_at),
       written.skipped
  from written where written.status <> 'Completed' or written.is_stopped
 union all
select array[locked.number], locked.is_stopped, locked.row_status::text, locked.row_outcome, null, null
  from locked where locked.daemon_id is null
