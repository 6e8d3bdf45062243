-- List what clients control of each action: its pause, its limits, and what the configuration said of these.
-- `paused_for`: the seconds until the pause ends, infinite for one without an end; `paused_since`: those
-- since it began; null where it is not paused. `limits` and `configured` are JSON, without limits that are
-- null. `running_in_all`, `saturated` and `next_start_in` (seconds) are as in asyncjob.limits; null for an
-- action that has no limits for all daemons.
select action.name, pause.until as paused_until, pause.by as paused_by, pause.lasts as paused_for,
       pause.since as paused_since,
       jsonb_strip_nulls(jsonb_build_object(
           'max_running', action.max_running, 'max_running_per_key', action.max_running_per_key,
           'rate', action.rate, 'rate_per_key', action.rate_per_key, 'burst', action.burst,
           'max_running_per_daemon', action.max_running_per_daemon)) as limits,
       action.configured, limits.running as running_in_all, limits.saturated,
       date_part('epoch', limits.next_start_at - now()) as next_start_in
  from asyncjob.action
  left join asyncjob.limits on limits.name = action.name
  left join lateral (
       select action.paused_until::text as until, action.paused_by as by,
              date_part('epoch', action.paused_until) - date_part('epoch', now()) as lasts,
              date_part('epoch', now()) - date_part('epoch', action.paused_at) as since
        where action.paused_until > now()) as pause on true
 order by action.name
