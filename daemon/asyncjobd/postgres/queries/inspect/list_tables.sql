-- List the tables with their rows and sizes, by the server's statistics.
-- `bytes`: without indexes and values that are stored apart. `packed`: the bytes that the rows would take at
-- the table's fill factor; 0: not analyzed yet, or not this role's to read. `is_left_out`: by autovacuum.
select format('asyncjob.%s', stat.relname) as name, stat.n_live_tup as live, stat.n_dead_tup as dead,
       pg_relation_size(stat.relid) as bytes, pg_indexes_size(stat.relid) as index_bytes,
       extract(epoch from now() - greatest(stat.last_vacuum, stat.last_autovacuum))::float8 as vacuumed_ago,
       coalesce(stat.n_live_tup * (28 + stats.width) * 100 / coalesce(option.fillfactor, 100), 0)::float8
       as packed,
       coalesce(option.is_left_out, false) as is_left_out
  from pg_stat_user_tables as stat
  join pg_class on pg_class.oid = stat.relid
 cross join lateral (
       select max(each.option_value::float8) filter (where each.option_name = 'fillfactor') as fillfactor,
              bool_or(not each.option_value::boolean) filter (where each.option_name = 'autovacuum_enabled')
              as is_left_out
         from pg_options_to_table(pg_class.reloptions) as each) as option
 cross join lateral (
       select sum(pg_stats.avg_width * (1 - pg_stats.null_frac)) as width
         from pg_stats
        where pg_stats.schemaname = stat.schemaname and pg_stats.tablename = stat.relname) as stats
 where stat.schemaname = 'asyncjob'
 order by stat.relname
