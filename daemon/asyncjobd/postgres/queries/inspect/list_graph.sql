-- List a job, its children and all jobs that these need, at most :limit, with what each of them waits for.
-- `needs`: those of its waits_for that are listed.
with recursive member (id) as (
    select :job_id::bigint
    union
    select neighbour.id
      from member
     cross join lateral (
           (select child.id
              from asyncjob.job as child
             where child.parent_id between member.id and member.id and member.id = :job_id
             order by child.parent_id, child.id
             limit :limit)
           union all
           (select listed.id
              from asyncjob.job
             cross join unnest(job.waits_for) as listed (id)
             where job.id = member.id)) as neighbour (id)
),
listed as materialized (select member.id from member limit :limit)
select job.id, job.job_name, job.status::text as status, job.daemon_id is not null as is_running,
       job.stop_requested as is_stopping, job.parent_id,
       coalesce(job.waits_for_children, false) as waits_for_children,
       array(select needed.id
               from unnest(job.waits_for) as needed (id)
              where needed.id = any (array(select listed.id from listed))
              order by needed.id) as needs
  from listed
  join asyncjob.job on job.id = any (array[listed.id])
 order by job.id
