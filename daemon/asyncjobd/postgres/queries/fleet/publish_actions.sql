-- Write what this daemon serves, one row an action; what has not changed is not written.
insert into asyncjob.action (name, handler, is_active, retry_interval, max_execution_count, is_recursive,
                             timeout, params_schema)
select a.name, a.handler, a.is_active, a.retry_interval::interval, a.max_execution_count, a.is_recursive,
       a.timeout::interval, a.params_schema
  from unnest(:names::text[], :handlers::text[], :are_active::boolean[], :retry_intervals::text[],
              :max_execution_counts::integer[], :are_recursive::boolean[], :timeouts::text[],
              :params_schemas::jsonb[])
       as a (name, handler, is_active, retry_interval, max_execution_count, is_recursive, timeout,
             params_schema)
 order by a.name
    on conflict (name) do update
   set (handler, is_active, retry_interval, max_execution_count, is_recursive, timeout, params_schema,
        updated_at)
     = (excluded.handler, excluded.is_active, excluded.retry_interval, excluded.max_execution_count,
        excluded.is_recursive, excluded.timeout, excluded.params_schema, now())
 where (action.handler, action.is_active, action.retry_interval, action.max_execution_count,
        action.is_recursive, action.timeout, action.params_schema)
       is distinct from
       (excluded.handler, excluded.is_active, excluded.retry_interval, excluded.max_execution_count,
        excluded.is_recursive, excluded.timeout, excluded.params_schema)
