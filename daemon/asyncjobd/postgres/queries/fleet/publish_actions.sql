-- Write what this daemon serves, one row an action; what has not changed is not written.
-- A limit that clients have changed stays until the configuration says something new of it.
-- :limits  for each action those that its configuration has, by their names
insert into asyncjob.action (name, handler, is_active, retry_interval, retry_backoff, retry_interval_max,
                             retry_jitter, max_execution_count, is_recursive, timeout, params_schema,
                             configured, max_running, max_running_per_key, rate, rate_per_key, burst,
                             max_running_per_daemon)
select a.name, a.handler, a.is_active, a.retry_interval::interval, a.retry_backoff,
       a.retry_interval_max::interval, a.retry_jitter, a.max_execution_count, a.is_recursive,
       a.timeout::interval, a.params_schema, a.limits, configured.max_running, configured.max_running_per_key,
       configured.rate, configured.rate_per_key, configured.burst, configured.max_running_per_daemon
  from unnest(:names::text[], :handlers::text[], :are_active::boolean[], :retry_intervals::text[],
              :retry_backoffs::float8[], :retry_interval_maxima::text[], :retry_jitters::float8[],
              :max_execution_counts::integer[], :are_recursive::boolean[], :timeouts::text[],
              :params_schemas::jsonb[], :limits::jsonb[])
       as a (name, handler, is_active, retry_interval, retry_backoff, retry_interval_max, retry_jitter,
             max_execution_count, is_recursive, timeout, params_schema, limits)
 cross join lateral jsonb_to_record(a.limits) as configured (
       max_running integer, max_running_per_key integer, rate text, rate_per_key text, burst integer,
       max_running_per_daemon integer)
 order by a.name
    on conflict (name) do update
   set handler                = excluded.handler,
       is_active              = excluded.is_active,
       retry_interval         = excluded.retry_interval,
       retry_backoff          = excluded.retry_backoff,
       retry_interval_max     = excluded.retry_interval_max,
       retry_jitter           = excluded.retry_jitter,
       max_execution_count    = excluded.max_execution_count,
       is_recursive           = excluded.is_recursive,
       timeout                = excluded.timeout,
       params_schema          = excluded.params_schema,
       configured             = excluded.configured,
       max_running            = case when (action.configured ->> 'max_running')
                                          is distinct from (excluded.configured ->> 'max_running')
                                     then excluded.max_running else action.max_running end,
       max_running_per_key    = case when (action.configured ->> 'max_running_per_key')
                                          is distinct from (excluded.configured ->> 'max_running_per_key')
                                     then excluded.max_running_per_key else action.max_running_per_key end,
       rate                   = case when (action.configured ->> 'rate')
                                          is distinct from (excluded.configured ->> 'rate')
                                     then excluded.rate else action.rate end,
       rate_per_key           = case when (action.configured ->> 'rate_per_key')
                                          is distinct from (excluded.configured ->> 'rate_per_key')
                                     then excluded.rate_per_key else action.rate_per_key end,
       burst                  = case when (action.configured ->> 'burst')
                                          is distinct from (excluded.configured ->> 'burst')
                                     then excluded.burst else action.burst end,
       max_running_per_daemon = case when (action.configured ->> 'max_running_per_daemon')
                                          is distinct from (excluded.configured ->> 'max_running_per_daemon')
                                     then excluded.max_running_per_daemon
                                     else action.max_running_per_daemon end,
       updated_at             = now()
 where (action.handler, action.is_active, action.retry_interval, action.retry_backoff,
        action.retry_interval_max, action.retry_jitter, action.max_execution_count, action.is_recursive,
        action.timeout, action.params_schema, action.configured)
       is distinct from
       (excluded.handler, excluded.is_active, excluded.retry_interval, excluded.retry_backoff,
        excluded.retry_interval_max, excluded.retry_jitter, excluded.max_execution_count,
        excluded.is_recursive, excluded.timeout, excluded.params_schema, excluded.configured)
