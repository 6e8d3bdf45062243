-- Tell all daemons that rows are ready ('ready') or due ('due EPOCH').
-- No daemon depends on it: where notifications are off or do not get through, daemons look by themselves.
select asyncjob.notify('asyncjob', :message)
