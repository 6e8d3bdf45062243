-- List the other databases of this server in which daemons of asyncjobd work, if none is alive in this one.
select session.datname as name, count(distinct session.client_addr) as hosts
  from pg_stat_activity as session
 where session.datname <> current_database() and session.application_name = 'asyncjobd heartbeat'
   and not exists (select from asyncjob.daemon
                    where daemon.heartbeat_at > now() - make_interval(secs => daemon.lease_seconds))
 group by session.datname
 order by session.datname
