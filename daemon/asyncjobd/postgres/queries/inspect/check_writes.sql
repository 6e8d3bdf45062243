-- Check whether the server takes no writes: it is a replica, or was set so.
select pg_is_in_recovery() or current_setting('default_transaction_read_only')::boolean as is_read_only
