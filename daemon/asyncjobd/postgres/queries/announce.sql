-- Tells all daemons that rows are ready. It is a help, and never a condition: where nothing can be notified, they look by
-- themselves.
select asyncjob.notify('asyncjob', 'ready')
