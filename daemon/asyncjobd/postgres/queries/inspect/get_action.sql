-- Get the row of an action.
select action.* from asyncjob.action where action.name = :name
