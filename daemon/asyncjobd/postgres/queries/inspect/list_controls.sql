-- List what clients control of each action: its pause and its limit, and what the configuration said of that.
-- `paused_for`: the seconds until the pause ends, infinite for one without an end; `paused_since`: those
-- since it began; null where it is not paused. `configured_limit` is text; `is_changed`: by SQL, since.
select action.name, pause.until as paused_until, pause.by as paused_by, pause.lasts as paused_for,
       pause.since as paused_since, action.max_running_per_daemon,
       action.configured ->> 'max_running_per_daemon' as configured_limit,
       action.max_running_per_daemon::text is distinct from action.configured ->> 'max_running_per_daemon'
       as is_changed
  from asyncjob.action
  left join lateral (
       select action.paused_until::text as until, action.paused_by as by,
              date_part('epoch', action.paused_until) - date_part('epoch', now()) as lasts,
              date_part('epoch', now()) - date_part('epoch', action.paused_at) as since
        where action.paused_until > now()) as pause on true
 order by action.name
