-- Write what this daemon serves, one row an action; what has not changed is not written.
-- Where a client may write a column too, its value stays until the configuration says something new.
insert into asyncjob.action (name, handler, is_active, retry_interval, max_execution_count, is_recursive,
                             timeout, params_schema, max_running_per_daemon, configured)
select a.name, a.handler, a.is_active, a.retry_interval::interval, a.max_execution_count, a.is_recursive,
       a.timeout::interval, a.params_schema, a.max_running_per_daemon,
       jsonb_strip_nulls(jsonb_build_object('max_running_per_daemon', a.max_running_per_daemon))
  from unnest(:names::text[], :handlers::text[], :are_active::boolean[], :retry_intervals::text[],
              :max_execution_counts::integer[], :are_recursive::boolean[], :timeouts::text[],
              :params_schemas::jsonb[], :max_running_per_daemon::integer[])
       as a (name, handler, is_active, retry_interval, max_execution_count, is_recursive, timeout,
             params_schema, max_running_per_daemon)
 order by a.name
    on conflict (name) do update
   set (handler, is_active, retry_interval, max_execution_count, is_recursive, timeout, params_schema,
        configured, max_running_per_daemon, updated_at)
     = (excluded.handler, excluded.is_active, excluded.retry_interval, excluded.max_execution_count,
        excluded.is_recursive, excluded.timeout, excluded.params_schema, excluded.configured,
        case when action.configured = excluded.configured then action.max_running_per_daemon
             else excluded.max_running_per_daemon end, now())
 where (action.handler, action.is_active, action.retry_interval, action.max_execution_count,
        action.is_recursive, action.timeout, action.params_schema, action.configured)
       is distinct from
       (excluded.handler, excluded.is_active, excluded.retry_interval, excluded.max_execution_count,
        excluded.is_recursive, excluded.timeout, excluded.params_schema, excluded.configured)
