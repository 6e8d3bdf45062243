-- List the settings of this session by which the server ends a connection with a long transaction.
select timeout.name, current_setting(timeout.name, true) as value
  from unnest(array['idle_in_transaction_session_timeout', 'transaction_timeout']) as timeout (name)
 where current_setting(timeout.name, true) <> '0'
