-- asyncjob, version 2: what people look at.

-- Queued, Hold and Failed rows, for their counts and the latest failures (queries/list_actions.sql, list_failures.sql).
-- Of the functions behind <>, as the planner then takes it for nobody else's statement. On a table of many millions of
-- rows, make it before the migration, with `concurrently`: then the migration does not.
create index if not exists job_shown on asyncjob.job (job_name, status, finished_at)
    where enum_ne(status, 'In Progress') and enum_ne(status, 'Completed');

alter table asyncjob.daemon add column figures jsonb;    -- what it did lately, as of its last beat (telemetry/figures.py)
