-- Which of these names have ready rows; one index probe a name. `looked_for`: the seconds that this took.
-- $1 names, $2 rows to leave alone
with found as materialized (
    select lane.name
      from unnest($1::text[]) as lane (name)
     cross join lateral (
           select from asyncjob.job
            where job.job_name = lane.name and job.status = 'In Progress' and job.daemon_id is null
              and job.id <> all ($2::bigint[])
            limit 1) as ready
)
select array(select found.name from found) as names,
       extract(epoch from clock_timestamp() - statement_timestamp())::float8 as looked_for
