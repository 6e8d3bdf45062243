-- List what has ended and how the queue stood since a time, by minute, and by hour of longer ago.
-- :job_name  null: of all names
select rollup.began_at, rollup.job_name, rollup.daemon_id, rollup.completed, rollup.failed, rollup.retried,
       rollup.repeated, rollup.stopped, rollup.waited, rollup.ran, rollup.ready, rollup.queued, rollup.held,
       rollup.oldest_ready
  from asyncjob.rollup
 where rollup.minutes in (1, 60) and rollup.began_at >= :since
   and (:job_name::text is null or rollup.job_name = :job_name)
