-- List who keeps dead rows of this database from being cleared, the oldest first.
-- `seconds`: since when; `transactions`: how many have begun since. What other roles do is shown to those who
-- have pg_read_all_stats.
select format('pid %s (%s, %s, %s)', session.pid, session.usename, session.application_name, session.state)
       as holder,
       'session' as kind, extract(epoch from clock_timestamp() - session.xact_start)::float8 as seconds,
       greatest(age(session.backend_xmin), age(session.backend_xid)) as transactions,
       session.pid::text as name
  from pg_stat_activity as session
 where (session.datname = current_database() or session.backend_type = 'walsender')
   and session.pid <> pg_backend_pid()
   and coalesce(session.backend_xmin, session.backend_xid) is not null
   and session.backend_type is distinct from 'autovacuum worker'
 union all
select format('prepared transaction %s of %s', quote_literal(xact.gid), xact.owner), 'prepared',
       extract(epoch from clock_timestamp() - xact.prepared)::float8, age(xact.transaction),
       quote_literal(xact.gid)
  from pg_prepared_xacts as xact where xact.database = current_database()
 union all
select format('replication slot %s (%s)', slot.slot_name,
              case when slot.active then 'in use' else 'not in use' end),
       'slot', null, age(slot.xmin), quote_literal(slot.slot_name)
  from pg_replication_slots as slot where slot.xmin is not null
 order by transactions desc
