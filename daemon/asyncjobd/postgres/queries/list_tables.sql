-- Our tables with their dead rows, and how old the oldest snapshot is that keeps a vacuum from removing them. Since when a
-- transaction of another role is open only a member of pg_read_all_stats sees; then, and for a slot, the seconds are null.
with snapshot as (
    select extract(epoch from now() - xact_start)::float8 as seconds,
           greatest(age(backend_xmin), age(backend_xid)) as transactions
      from pg_stat_activity
     where (datname = current_database() or backend_type = 'walsender')      -- a standby's feedback
       and coalesce(backend_xmin, backend_xid) is not null
       and pid <> pg_backend_pid()
       and pid not in (select pid from pg_stat_progress_vacuum)              -- a vacuum does not hold up another
     union all
    select extract(epoch from now() - prepared), age(transaction) from pg_prepared_xacts where database = current_database()
     union all
    select null, age(xmin) from pg_replication_slots where xmin is not null
)
select relname::text as name, n_dead_tup as dead_rows,
       (select case when count(*) = 0 then 0 else max(seconds) end from snapshot) as snapshot_seconds,
       (select coalesce(max(transactions), 0) from snapshot) as snapshot_transactions
  from pg_stat_user_tables
 where schemaname = 'asyncjob'
 order by relname
