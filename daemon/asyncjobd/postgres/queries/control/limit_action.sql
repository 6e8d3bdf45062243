-- Set how many jobs of an action a daemon may have at a time; null: as many as it has slots.
update asyncjob.action set max_running_per_daemon = :per_daemon where action.name = :name
returning action.name
