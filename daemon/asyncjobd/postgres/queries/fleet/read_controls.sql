-- Read what clients control: whether this daemon drains, and which actions are paused or limited.
-- `paused_for`: the seconds until the pause ends, infinite for one without an end; null: it is not paused.
-- One row without a name: there is no such action. No row: this daemon has no row any more.
select daemon.is_draining, action.name,
       case when action.paused_until > now()
            then date_part('epoch', action.paused_until) - date_part('epoch', now()) end as paused_for,
       action.max_running_per_daemon is not null as is_limited_per_daemon, action.is_limited
  from asyncjob.daemon
  left join asyncjob.action
    on action.paused_until > now() or action.max_running_per_daemon is not null or action.is_limited
 where daemon.id = :daemon_id
