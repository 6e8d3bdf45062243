-- Set those limits of an action that :limits names, a JSON object; null: no limit.
update asyncjob.action
   set max_running            = case when :limits::jsonb ? 'max_running'
                                     then wanted.max_running else action.max_running end,
       max_running_per_key    = case when :limits::jsonb ? 'max_running_per_key'
                                     then wanted.max_running_per_key else action.max_running_per_key end,
       rate                   = case when :limits::jsonb ? 'rate' then wanted.rate else action.rate end,
       rate_per_key           = case when :limits::jsonb ? 'rate_per_key'
                                     then wanted.rate_per_key else action.rate_per_key end,
       burst                  = case when :limits::jsonb ? 'burst' then wanted.burst else action.burst end,
       max_running_per_daemon = case when :limits::jsonb ? 'max_running_per_daemon'
                                     then wanted.max_running_per_daemon
                                     else action.max_running_per_daemon end
  from jsonb_to_record(:limits::jsonb) as wanted (
       max_running integer, max_running_per_key integer, rate text, rate_per_key text, burst integer,
       max_running_per_daemon integer)
 where action.name = :name
returning action.name
