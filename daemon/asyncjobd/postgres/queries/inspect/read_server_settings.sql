-- Read the server's settings as this session has them, and how many connections and notifications there are.
-- `most_connections`: without those reserved for superusers. `oldest`: the sessions whose transactions have
-- been open for the longest, as far as this role may see it. `open_schemas`: those in which everybody may
-- create objects and in which somebody looks names up.
select current_setting('server_version') as version,
       current_setting('server_version_num')::integer / 10000 as major,
       current_user as role, pg_is_in_recovery() as is_replica,
       current_setting('default_transaction_read_only') as read_only,
       current_setting('fsync') as fsync, current_setting('full_page_writes') as full_page_writes,
       current_setting('synchronous_commit') as synchronous_commit,
       current_setting('server_encoding') as encoding,
       current_setting('session_replication_role') as session_replication_role,
       current_setting('autovacuum') as autovacuum, current_setting('track_counts') as track_counts,
       (select count(*) from pg_stat_activity where pg_stat_activity.datid is not null) as connections,
       current_setting('max_connections')::integer
       - current_setting('superuser_reserved_connections')::integer
       - coalesce(current_setting('reserved_connections', true)::integer, 0) as most_connections,
       pg_notification_queue_usage() as notification_queue,
       array(select format('pid %s (%s, %s, %s)', activity.pid, activity.usename, activity.application_name,
                           activity.state)
               from pg_stat_activity as activity
              where activity.xact_start is not null and activity.pid <> pg_backend_pid()
                and activity.datid is not null
              order by activity.xact_start limit 3) as oldest,
       array(select quote_ident(pg_namespace.nspname) from pg_namespace
              where has_schema_privilege('public', pg_namespace.oid, 'create')
                and (pg_namespace.nspname = 'public' or pg_namespace.nspname = any (current_schemas(false))
                     or exists (select from pg_db_role_setting,
                                            unnest(pg_db_role_setting.setconfig) as setting (text)
                                 where starts_with(setting.text, 'search_path=')
                                   and position(pg_namespace.nspname in setting.text) > 0))
              order by pg_namespace.nspname) as open_schemas
