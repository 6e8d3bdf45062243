-- The server as this session sees it, and its connections against the most there may be (superusers' own left out).
select current_setting('server_version') as version,
       current_setting('server_version_num')::integer / 10000 as major,
       current_user as role, pg_is_in_recovery() as is_replica,
       current_setting('default_transaction_read_only') as read_only,
       current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
       current_setting('synchronous_commit') as synchronous_commit,
       current_setting('autovacuum') as autovacuum, current_setting('track_counts') as track_counts,
       (select count(*) from pg_stat_activity where pg_stat_activity.datid is not null) as connections,
       current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
       - coalesce(current_setting('reserved_connections', true)::integer, 0) as most_connections
