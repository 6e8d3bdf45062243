-- Gives all locks back, and tells the other daemons: one that sleeps takes them.
select pg_advisory_unlock_all(), asyncjob.notify('asyncjob', 'open')
