-- The settings of this session by which the server ends a connection that a transaction holds for long.
select timeout.name, current_setting(timeout.name, true) as value
  from unnest(array['idle_in_transaction_session_timeout', 'transaction_timeout']) as timeout (name)
 where current_setting(timeout.name, true) <> '0'
