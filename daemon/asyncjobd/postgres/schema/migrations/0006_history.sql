-- asyncjob, version 6: the history of jobs that go on can be deleted by its age.

-- On a table of many millions of rows, make it before the migration, with `concurrently`: then the migration does not.
create index if not exists execution_finished on asyncjob.execution (finished_at);
