update asyncjob.daemon set actions = $2 where daemon.id = $1
