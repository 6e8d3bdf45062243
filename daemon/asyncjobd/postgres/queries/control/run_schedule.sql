-- Have a schedule insert its job now; not one that is paused.
update asyncjob.schedule set next_at = now()
 where schedule.name = :name and (schedule.paused_until > now()) is not true
returning schedule.name
