-- Let the daemons of this name claim nothing more or, where :is_draining is false, claim again.
with named as materialized (
    select daemon.id from asyncjob.daemon where daemon.name = :name order by daemon.id for no key update
)
update asyncjob.daemon set is_draining = :is_draining
  from named
 where daemon.id = named.id
returning daemon.id
