-- Insert many jobs that have a once_key, and return those that are new, in their order; a key is taken.
-- include client/parts/new_jobs
    on conflict do nothing
returning job.id, job.once_key as key
