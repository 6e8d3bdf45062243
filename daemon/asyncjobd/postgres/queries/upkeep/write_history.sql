-- Write what has ended in a daemon, as of one minute.
-- A batch that is sent again is of the same minute, and so is not written twice.
-- :minute   when it began, in seconds since 1970
-- :figures  a JSON list, with an object for each job name of which something has ended
insert into asyncjob.rollup
       (minutes, began_at, job_name, daemon_id, completed, failed, retried, repeated, stopped, waited, ran)
select 1, to_timestamp(:minute), ended.job_name, :daemon_id,
       ended.completed, ended.failed, ended.retried, ended.repeated, ended.stopped, ended.waited, ended.ran
  from jsonb_to_recordset(:figures::text::jsonb)
       as ended (job_name text, completed integer, failed integer, retried integer, repeated integer,
                 stopped integer, waited numeric, ran numeric)
 order by ended.job_name
    on conflict do nothing
