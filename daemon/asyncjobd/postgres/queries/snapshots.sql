-- Who keeps dead rows of this database from being cleared, the oldest first; `seconds`: since when, `transactions`: how
-- many began since. What other roles do is shown to those that have pg_read_all_stats.
select format('pid %s (%s, %s, %s)', pid, usename, application_name, state) as holder, 'session' as kind,
       extract(epoch from clock_timestamp() - xact_start)::float8 as seconds,
       greatest(age(backend_xmin), age(backend_xid)) as transactions, pid::text as name
  from pg_stat_activity
 where (datname = current_database() or backend_type = 'walsender') and pid <> pg_backend_pid()
   and coalesce(backend_xmin, backend_xid) is not null and backend_type is distinct from 'autovacuum worker'
 union all
select format('prepared transaction %s of %s', quote_literal(gid), owner), 'prepared',
       extract(epoch from clock_timestamp() - prepared)::float8, age(transaction), quote_literal(gid)
  from pg_prepared_xacts where database = current_database()
 union all
select format('replication slot %s (%s)', slot_name, case when active then 'in use' else 'not in use' end), 'slot',
       null, age(xmin), quote_literal(slot_name)
  from pg_replication_slots where xmin is not null
 order by transactions desc
