update asyncjob.daemon set actions = $2 where id = $1
