-- Pause a schedule for a while or until a time; without either it goes on.
update asyncjob.schedule
   set paused_until = coalesce(now() + :lasts::interval, :until::text::timestamptz)
 where schedule.name = :name
returning schedule.name
