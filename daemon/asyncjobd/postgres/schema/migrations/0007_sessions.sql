-- asyncjob, version 7: functions mean the same whatever the caller's search_path is.
--
-- A caller's search_path may have operators and functions before PostgreSQL's own, or such as fit closer. Then they
-- would decide what the caller may write, and run with the rights of whoever else comes by.

alter function asyncjob.announce(text, asyncjob.status, timestamptz) set search_path = pg_catalog, pg_temp;
alter function asyncjob.job_deleted()                                set search_path = pg_catalog, pg_temp;
alter function asyncjob.job_runs_again()                             set search_path = pg_catalog, pg_temp;
alter function asyncjob.job_updated_by_client()                      set search_path = pg_catalog, pg_temp;
alter function asyncjob.refuse_daemon_columns(jsonb, jsonb)          set search_path = pg_catalog, pg_temp;

-- A setting would keep these from becoming a part of the statement that calls them: their names are bound now.

create or replace function asyncjob.gate_key(job_name text) returns integer language sql immutable
begin atomic
    select hashtext(job_name) & 1023;
end;

create or replace function asyncjob.waiting_status(due_at timestamptz) returns asyncjob.status language sql stable
begin atomic
    select case when due_at > now() then 'Queued'::asyncjob.status else 'In Progress'::asyncjob.status end;
end;
