-- Write the outcomes of executions, and what becomes of their rows.
--
-- An execution is returned when nothing is left to do for it. Where one is not returned, a client's open
-- transaction has locked its row, or the row was changed at this very moment, or the claim is lost (see
-- find_owned_executions). Where a client has asked for a stop (`is_stopped`), the client's status stands, and
-- the outcome is only noted.
-- A row is not due before `due_at`, as a client may have changed schedule_time meanwhile.
-- The time is that of the statement: a handler's transaction, which records its own execution, began before.
-- Executions with the same answer are one row; `numbers` are their places in the arrays, from 1 on.
--
-- :ages                          seconds since the end of each execution
-- :outcomes                      null: success
-- :statuses                      the status that the row gets; null: Completed
-- :on_grid, :delays              when a Queued row is due again: at its next time on the grid, or so many
--                                seconds after the end (null: see asyncjob.retry_delay_of)
-- :progress, :progress_messages  the last progress that was reported; null: none
-- :logs                          the end of what was logged; null: none was kept. Read by its place, which
--                                costs less than to unnest it where no execution has any
with ended as materialized (
    select ended.number, ended.id, ended.claim_token, ended.age,
           coalesce(ended.outcome, 'success') as outcome,
           coalesce(ended.status, 'Completed')::asyncjob.status as status, ended.on_grid, ended.delay,
           ended.result::jsonb as result,
           ended.message, ended.traceback, ended.progress, ended.progress_message
      from unnest(:job_ids::bigint[], :claim_tokens::bigint[], :ages::float8[], :outcomes::text[],
                  :statuses::text[], :on_grid::boolean[], :delays::float8[], :results::text[],
                  :messages::text[], :tracebacks::text[], :progress::real[], :progress_messages::text[])
           with ordinality
           as ended (id, claim_token, age, outcome, status, on_grid, delay, result, message, traceback,
                     progress, progress_message, number)
     order by ended.id
),
locked as materialized (
    select ended.*, statement_timestamp() - make_interval(secs => ended.age) as ended_at, job.*
      from ended
     cross join lateral (
           select job.ctid as place, job.stop_requested as is_stopped, job.daemon_id,
                  job.status as row_status, job.last_execution_status as row_outcome, job.execution_total,
                  job.started_at, job.due_at as was_due_at,
                  -- a client may have set schedule_time to null meanwhile
                  coalesce(job.schedule_time, job.started_at) as anchor
             from asyncjob.job
            where job.id = ended.id and job.claim_token = ended.claim_token
              for no key update skip locked) as job
),
kept as (
    insert into asyncjob.execution (job_id, number, daemon_id, started_at, finished_at, status, message,
                                    traceback, log)
    select locked.id, locked.execution_total, locked.daemon_id, locked.started_at, locked.ended_at,
           locked.outcome, locked.message, locked.traceback,
           (:logs::text[])[locked.number]
      from locked
     where locked.daemon_id is not null
       and (locked.is_stopped or locked.status not in ('Completed', 'Failed'))
     order by locked.id
        on conflict do nothing
),
-- claim_token and stop_requested stay as they are: if the answer is lost, the next try finds the row by its
-- token, recorded already, and returns the same.
written as (
    update asyncjob.job
       set daemon_id             = null,
           status                = case when locked.is_stopped then job.status
                                        when locked.status = 'In Progress'
                                             and job.due_at > statement_timestamp() then 'Queued'
                                        else locked.status end,
           waits_on              = case when locked.is_stopped then job.waits_on end,
           due_at                = case when locked.is_stopped or locked.status <> 'Queued' then job.due_at
                                        when locked.on_grid
                                        then asyncjob.next_grid_time(
                                             locked.anchor, job.retry_interval,
                                             greatest(statement_timestamp(), locked.was_due_at))
                                        else greatest(job.due_at, locked.ended_at + coalesce(
                                             make_interval(secs => locked.delay),
                                             asyncjob.retry_delay_of(
                                                 job.job_name, job.retry_interval, job.retry_backoff,
                                                 job.retry_interval_max, job.retry_jitter, job.id,
                                                 job.execution_count))) end,
           execution_count       = case when locked.is_stopped or locked.outcome = 'stopped'
                                        then greatest(job.execution_count - 1, 0)
                                        when locked.on_grid then 0
                                        else job.execution_count end,
           occurrence            = case when locked.on_grid and not locked.is_stopped
                                        then job.occurrence + 1 else job.occurrence end,
           finished_at           = case when locked.is_stopped then job.finished_at
                                        when locked.status in ('Completed', 'Failed')
                                        then locked.ended_at end,
           progress              = case when not locked.is_stopped and locked.status = 'Completed' then 1
                                        else coalesce(locked.progress, job.progress) end,
           progress_message      = case when locked.progress is null then job.progress_message
                                        else locked.progress_message end,
           last_execution_status = locked.outcome,
           last_execution_time   = locked.ended_at,
           result                = locked.result,
           message               = case when locked.is_stopped and job.status in ('Completed', 'Failed')
                                        then job.message
                                        else locked.message end,
           traceback             = locked.traceback,
           log                   = (:logs::text[])[locked.number]
      from locked
     where job.ctid = locked.place and coalesce(job.daemon_id, 0) <> 0
    returning job.job_name, locked.number, locked.is_stopped, job.status, locked.outcome, job.due_at,
              case when locked.on_grid and not locked.is_stopped
                   then asyncjob.grid_number(locked.anchor, job.retry_interval,
                                             greatest(statement_timestamp(), locked.was_due_at))
                      - asyncjob.grid_number(locked.anchor, job.retry_interval, locked.was_due_at)
                   end as skipped
)
select array_agg(written.number) as numbers, false as is_stopped, 'Completed' as status, null as outcome,
       null::float8 as due_epoch, null::bigint as skipped
  from written where written.status = 'Completed' and not written.is_stopped
having count(*) > 0
 union all
select array[written.number], written.is_stopped, written.status::text, written.outcome,
       date_part('epoch', written.due_at), written.skipped
  from written where written.status <> 'Completed' or written.is_stopped
 union all
-- for the notification alone: daemons may wait for a place of a limited action
select '{}', false, 'Completed', null, null, null
  from asyncjob.action
 where action.is_limited and array(select written.job_name from written) @> array[action.name]
   and asyncjob.notify('asyncjob', 'freed ' || action.name)
 union all
select array[locked.number], locked.is_stopped, locked.row_status::text, locked.row_outcome,
       date_part('epoch', locked.was_due_at), null
  from locked where locked.daemon_id is null
