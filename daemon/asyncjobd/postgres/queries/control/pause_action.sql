-- Pause an action for a while or until a time; without either it goes on.
update asyncjob.action
   set paused_until = coalesce(now() + :lasts::interval, :until::text::timestamptz)
 where action.name = :name
returning action.name
