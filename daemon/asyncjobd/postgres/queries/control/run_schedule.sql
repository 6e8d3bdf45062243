-- Have a schedule insert its job now; not one that is paused. Its last job is returned as it was before that.
update asyncjob.schedule set next_at = now()
 where schedule.name = :name and (schedule.paused_until > now()) is not true
returning schedule.name, schedule.next_at, schedule.last_job_id
