-- Move schedules on to their following times, and insert the jobs of those that have come.
-- The answer leaves out schedules that another daemon has moved, those that somebody has changed or locked.
-- :clock       by which times they were chosen, in seconds since 1970; after an outage they are chosen anew
-- :changed_at  of each what it was, by which it is the same schedule still
-- :next_at     of each what it was, by which nobody else has moved it meanwhile
-- :times       of each, as the text of an array; for each of these there is to be a job
-- :problems    why a schedule rests, or why its job was refused; null: there is none
select asked.name, moved.job_name, moved.made, moved.skipped, moved.open_job
  from unnest(:names::text[], :changed_at::timestamptz[], :next_at::timestamptz[],
              :following::timestamptz[], :times::text[], :problems::text[])
       as asked (name, changed_at, next_at, following, times, problem)
 cross join lateral asyncjob.move_schedule(
       asked.name, asked.changed_at, asked.next_at, asked.following, asked.times::timestamptz[],
       asked.problem) as moved
 where date_part('epoch', now()) < :clock + 5
