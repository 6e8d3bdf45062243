-- Write what has ended in a daemon, as of one minute, and add it to the hour of all daemons.
-- A batch that is sent again is of the same minute, and so is not written twice.
-- :minute   when it began, in seconds since 1970
-- :figures  a JSON list, with an object for each job name of which something has ended
with written as (
    insert into asyncjob.rollup
           (minutes, began_at, job_name, daemon_id, completed, failed, retried, repeated, stopped, waited,
            ran)
    select 1, to_timestamp(:minute), ended.job_name, :daemon_id, ended.completed, ended.failed,
           ended.retried, ended.repeated, ended.stopped, ended.waited, ended.ran
      from jsonb_to_recordset(:figures::text::jsonb)
           as ended (job_name text, completed integer, failed integer, retried integer, repeated integer,
                     stopped integer, waited numeric, ran numeric)
     order by ended.job_name
        on conflict do nothing
    returning rollup.began_at, rollup.job_name, rollup.completed, rollup.failed, rollup.retried,
              rollup.repeated, rollup.stopped, rollup.waited, rollup.ran
)
insert into asyncjob.rollup
       (minutes, began_at, job_name, daemon_id, completed, failed, retried, repeated, stopped, waited, ran)
select 60, date_trunc('hour', written.began_at, 'UTC'), written.job_name, 0, written.completed,
       written.failed, written.retried, written.repeated, written.stopped, written.waited, written.ran
  from written
 order by written.job_name
    on conflict (minutes, began_at, job_name, daemon_id) do update
   set completed = rollup.completed + excluded.completed,
       failed = rollup.failed + excluded.failed,
       retried = rollup.retried + excluded.retried,
       repeated = rollup.repeated + excluded.repeated,
       stopped = rollup.stopped + excluded.stopped,
       waited = rollup.waited + excluded.waited,
       ran = rollup.ran + excluded.ran
