-- List those of the given job names that have ready rows, each with its first row; one index probe a name.
-- Leaves out those that claim_jobs leaves out, by the same :occupied.
-- Returns at least one row. `looked_for`: the seconds that this took.
with found as materialized (
    select lane.name, ready.priority, ready.id
      from unnest(:names::text[], :occupied::integer[]) as lane (name, occupied)
      left join asyncjob.action on action.name = lane.name
     cross join lateral (
           select job.priority, job.id
             from asyncjob.job
            where job.job_name = lane.name and job.status = 'In Progress' and job.daemon_id is null
              and job.id <> all (:left_alone::bigint[])
            order by job.priority, job.id
            limit 1) as ready
     where (action.paused_until > now()) is not true
       and (action.max_running_per_daemon is null or action.max_running_per_daemon > lane.occupied)
)
select (select extract(epoch from clock_timestamp() - statement_timestamp())::float8
          from (select count(*) from found) as counted) as looked_for,
       found.name, found.priority, found.id
  from (values (1)) as always left join found on true
