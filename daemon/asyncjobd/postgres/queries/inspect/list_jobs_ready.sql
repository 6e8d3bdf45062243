-- List ready jobs in the columns of a list, name by name and as daemons take them, from after one of them on.
-- :after_name, :after_priority  those of that one, as it may have changed since
with recursive
-- include inspect/parts/lane_names
select ready.* from lane
 cross join lateral (
       select
-- include inspect/parts/listed
            , job.priority
         from asyncjob.job
        where job.job_name = lane.job_name and job.status = 'In Progress' and job.daemon_id is null
          and (:after_id::bigint is null
               or (job.job_name, job.priority, job.id)
                  > (:after_name::text, :after_priority::smallint, :after_id::bigint))
        order by job.priority, job.id
        limit :limit) as ready
 where lane.job_name like :name_pattern
 order by ready.job_name, ready.priority, ready.id
 limit :limit
