-- Send a notification.
select pg_notify(:channel, :payload)
