-- Claim ready rows of the given lanes, those of the best priority first, then the oldest.
-- The lane of an action that is paused, or has as many jobs here as it may have, is left out. So is that of
-- an action with limits for all daemons, unless it is read alone: then asyncjob.pick_limited chooses rows.
--
-- Returns at least one row. `seen`: how many ready rows were looked at, locked ones included. `looked_for`:
-- the seconds that finding them took. `is_cut`: there are more rows, but their params take more than :memory.
-- `last_key` and all up to `seconds`: see asyncjob.pick_limited.
--
-- :names, :after_priorities, :after_ids, :widths
--     for each lane its job name, the place after which it is read, and how many of its rows are looked at
-- :is_limited, :is_ahead, :after_key, :only_id
--     whether the one lane is that of an action with limits for all daemons, whether half of each limit
--     stays free, and after which key the lane is read; where not null, the one row that may be claimed
-- :occupied
--     for each lane how many jobs of it this daemon has; null where it knows of no limit: one that has come
--     since is not exceeded, as the lane is left out
-- :retry_intervals, :max_execution_counts, :are_recursive, :timeouts
--     for each lane the defaults of its action
-- :width
--     how many rows are looked at in all; more than :wanted where some are locked
-- :memory
--     bytes for params of more than 16 kB; the last of these rows may exceed it; 0: none of these rows
-- :reads_params
--     whether params are returned; else, and where they take 100 kB as stored or 100 MB as text, they are ''
with lane as materialized (
    select lane.*, action.max_running_per_daemon - lane.occupied as room
      from unnest(:names::text[], :after_priorities::smallint[], :after_ids::bigint[], :widths::integer[],
                  :occupied::integer[])
           with ordinality as lane (name, after_priority, after_id, width, occupied, number)
      left join asyncjob.action on action.name = lane.name
     where (action.paused_until > now()) is not true
       and (action.max_running_per_daemon is null or action.max_running_per_daemon > lane.occupied)
       and (:is_limited or action.is_limited is not true)
),
picked as materialized (
    select lane.number, limited.*
      from lane
     cross join lateral asyncjob.pick_limited(
           lane.name, least(:wanted, lane.room), :is_ahead, :left_alone, :only_id, :after_key,
           lane.after_priority, lane.after_id) as limited
     where :is_limited
),
head as materialized (
    select ready.*
      from lane
     cross join lateral (
           select job.priority, job.id,
                  row_number() over (order by job.priority, job.id) = lane.width
                  and (lane.room > lane.width) is not false as is_last
             from asyncjob.job
            where job.job_name = lane.name and job.status = 'In Progress' and job.daemon_id is null
              and (job.priority, job.id) > (lane.after_priority, lane.after_id)
              and job.id <> all (:left_alone::bigint[])
            order by job.priority, job.id
            limit least(lane.width, lane.room)) as ready
     where not :is_limited
),
-- The first rows of all lanes. Behind the last row that was looked at of a lane there may be more of its
-- rows, which come before later rows of other lanes: nothing behind that place is claimed.
first as materialized (
    select head.priority, head.id from head
     where ((head.priority, head.id)
            <= (select head.priority, head.id from head where head.is_last
                 order by head.priority, head.id limit 1)) is not false
     order by head.priority, head.id
     limit :width
),
-- The place of the last of them, behind which nothing is claimed. There is none where only rows were left out
-- that there is no room for: they take the place of locked ones of their lane.
bound (priority, id) as materialized (
    select case when whole.is_read then 32767 else last.priority end,
           case when whole.is_read then 9223372036854775807 else last.id end
      from (select count(*) < :width and bool_or(head.is_last) is not true as is_read from head) as whole
      left join (select first.priority, first.id from first
                  order by first.priority desc, first.id desc limit 1) as last on true
),
chosen as materialized (
    (select lane.number, ready.*
       from lane
      cross join lateral (
            select job.ctid as place, job.priority, job.id, job.params
              from asyncjob.job
             where job.job_name = lane.name and job.status = 'In Progress' and job.daemon_id is null
               and (job.priority, job.id) > (lane.after_priority, lane.after_id)
               and (job.priority, job.id) <= (select bound.priority, bound.id from bound)
               and job.id <> all (:left_alone::bigint[])
             order by job.priority, job.id
             limit least(:wanted, lane.room)
               for no key update skip locked) as ready
      where not :is_limited
      order by ready.priority, ready.id
      limit :wanted)
     union all
    select picked.number, job.ctid, job.priority, job.id, job.params
      from picked
     cross join unnest(picked.places) as place (ctid)
      join asyncjob.job on job.ctid = place.ctid
),
-- Rows start now, and not when this statement began, as it may have waited for other claims of the action.
-- The text of params is made once, to be measured and returned, but not where it may be very large.
locked as materialized (
    select chosen.number, chosen.place, chosen.priority, chosen.id, clock_timestamp() as started_at,
           text.params,
           coalesce(octet_length(text.params),
                    case when pg_column_compression(chosen.params) is null
                         then pg_column_size(chosen.params)::bigint
                         else 100 * pg_column_size(chosen.params)::bigint end) as size
      from chosen
     cross join lateral (
           select case when :reads_params and pg_column_size(chosen.params) <= 100000
                       then chosen.params::text end as params
           offset 0) as text
),
large (total) as materialized (
    select coalesce(sum(locked.size), 0) from locked where locked.size > 16000
),
-- The first of the rows with large params with which they exceed :memory.
last (priority, id) as materialized (
    select measured.priority, measured.id
      from (select locked.priority, locked.id,
                   sum(locked.size) over (order by locked.priority, locked.id) as so_far
              from locked where locked.size > 16000) as measured
     where measured.so_far >= :memory
     order by measured.priority, measured.id
     limit 1
),
claimed as (
    update asyncjob.job
       set daemon_id           = :daemon_id,
           claim_token         = :claim_token,
           stop_requested      = false,
           started_at          = locked.started_at,
           execution_count     = least(job.execution_count, 2147483646) + 1,
           execution_total     = least(job.execution_total, 2147483646) + 1,
           progress            = null,
           progress_message    = null,
           retry_interval      = coalesce(job.retry_interval,
                                          (:retry_intervals::text[])[locked.number]::interval,
                                          interval '15 minutes'),
           max_execution_count = coalesce(job.max_execution_count,
                                          (:max_execution_counts::integer[])[locked.number], 5),
           is_recursive        = coalesce(job.is_recursive,
                                          (:are_recursive::boolean[])[locked.number], false),
           timeout             = coalesce(job.timeout, (:timeouts::text[])[locked.number]::interval),
           schedule_time       = case when coalesce(job.is_recursive,
                                                    (:are_recursive::boolean[])[locked.number], false)
                                      then coalesce(job.schedule_time, locked.started_at)
                                      else job.schedule_time end
      from locked
     where job.ctid = locked.place
       and (locked.size <= 16000 or (select large.total from large) < :memory
            or :memory > 0
               and (locked.priority, locked.id) <= (select last.priority, last.id from last))
    -- the fields of ClaimedJob, in their order
    returning job.id, job.job_name,
              case when octet_length(locked.params) <= 100000000 then locked.params else '' end as params,
              job.execution_count, job.execution_total, job.max_execution_count, job.is_recursive,
              job.priority, job.parent_id, job.unique_key, job.limit_key, job.schedule_time,
              job.created_by, job.occurrence, left(job.traceparent, 512) as traceparent,
              date_part('epoch', job.created_at) as created_at,
              date_part('epoch', job.timeout) as timeout,
              -- infinity cannot be subtracted; no rule leaves it in a ready row
              date_part('epoch', locked.started_at - least(job.due_at, locked.started_at)) as waited,
              -- it was lost twice before, or would be Failed if it were lost once more
              coalesce(job.last_execution_status = 'lost'
                       and (job.execution_count > 2
                            or job.execution_count = 2 and job.max_execution_count = 2), false) as runs_alone
)
select (select count(*) from first) as seen,
       (select extract(epoch from clock_timestamp() - statement_timestamp())::float8) as looked_for,
       (select large.total from large) >= :memory
       and exists (select from locked
                    where locked.size > 16000
                      and (:memory <= 0
                           or (locked.priority, locked.id) > (select last.priority, last.id from last)))
       as is_cut,
       picked.last_key, picked.last_priority, picked.last_id, picked.is_saturated, picked.seconds,
       claimed.*
  from (values (1)) as always left join picked on true left join claimed on true
    -- Not all that were picked are claimed: some may be too large, or newer than this statement's snapshot.
 where not :is_limited
    or (select asyncjob.take_starts(max(claimed.job_name), array_agg(claimed.limit_key))
          from claimed) is not null
