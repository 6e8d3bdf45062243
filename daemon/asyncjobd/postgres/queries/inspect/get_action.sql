select action.* from asyncjob.action where action.name = :name
