-- Release all gates, and tell the other daemons, of which one that sleeps takes them.
select pg_advisory_unlock_all(), asyncjob.notify('asyncjob', 'open')
