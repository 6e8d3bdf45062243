-- Our tables by the statistics: rows, dead rows, bytes without indexes and values stored apart, and `packed`: the bytes
-- that the rows would take at the table's fill factor (0: not analyzed yet, or not ours to read).
select format('asyncjob.%s', stat.relname) as name, n_live_tup as live, n_dead_tup as dead,
       pg_relation_size(relid) as bytes, pg_indexes_size(relid) as index_bytes,
       extract(epoch from now() - greatest(last_vacuum, last_autovacuum))::float8 as vacuumed_ago,
       coalesce(n_live_tup * (28 + width) * 100 / coalesce(fillfactor, 100), 0)::float8 as packed,
       coalesce(is_left_out, false) as is_left_out
  from pg_stat_user_tables as stat
  join pg_class on pg_class.oid = relid
 cross join lateral (select max(option_value::float8) filter (where option_name = 'fillfactor') as fillfactor,
                            bool_or(not option_value::boolean) filter (where option_name = 'autovacuum_enabled') as is_left_out
                       from pg_options_to_table(reloptions)) as option
 cross join lateral (select sum(avg_width * (1 - null_frac)) as width from pg_stats
                      where pg_stats.schemaname = stat.schemaname and tablename = stat.relname) as stats
 where stat.schemaname = 'asyncjob'
 order by name
