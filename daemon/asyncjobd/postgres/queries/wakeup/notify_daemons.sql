-- Tells all daemons that rows are ready, or due. It is a help, and never a condition: where nothing can be notified, they
-- look by themselves. :message 'ready', or 'due EPOCH'
select asyncjob.notify('asyncjob', :message)
