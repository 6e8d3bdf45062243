-- The key's index is named, as to look into the others for a conflict costs a fifth of the time.
-- Null for all of a column is cheap; a status that is null: In Progress, a priority: 0.
insert into asyncjob.job (job_name, params, status, schedule_time, priority, retry_interval, max_execution_count,
                          is_recursive, timeout, parent_id, unique_key, traceparent)
select new.job_name, new.params, coalesce(new.status, 'In Progress')::asyncjob.status, new.schedule_time, coalesce(new.priority, 0),
       new.retry_interval, new.max_execution_count, new.is_recursive, new.timeout, new.parent_id, new.unique_key, new.traceparent
  from unnest($1::text[], $2::jsonb[], $3::text[], $4::timestamptz[], $5::smallint[], $6::interval[], $7::integer[],
              $8::boolean[], $9::interval[], $10::bigint[], $11::text[], $12::text[]) with ordinality
       as new (job_name, params, status, schedule_time, priority, retry_interval, max_execution_count,
               is_recursive, timeout, parent_id, unique_key, traceparent, n)
 order by new.n
    on conflict (unique_key) where job.unique_key is not null and job.status in ('Queued', 'In Progress', 'Hold') do nothing
returning job.id, job.unique_key
