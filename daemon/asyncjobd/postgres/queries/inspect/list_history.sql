-- Sum up what has ended and how the queue stood since a time, by job name, in steps of one length.
-- :minutes   the length of the rows to sum up: 1, or 60
-- :job_name  null: of all names
select date_bin(:length::interval, rollup.began_at, :since::timestamptz) as began_at, rollup.job_name,
       sum(rollup.completed) as completed, sum(rollup.failed) as failed, sum(rollup.retried) as retried,
       sum(rollup.repeated) as repeated, sum(rollup.stopped) as stopped,
       sum(rollup.waited) as waited, sum(rollup.ran) as ran,
       max(rollup.ready) as ready, max(rollup.queued) as queued, max(rollup.held) as held,
       max(rollup.oldest_ready) as oldest_ready
  from asyncjob.rollup
 where rollup.minutes = :minutes and rollup.began_at >= :since
   and (:job_name::text is null or rollup.job_name = :job_name)
 group by 1, rollup.job_name
