-- Find why a job is as it is: how it ended, who serves its name, what goes before it, who locks its row.
-- At most :max_counted jobs before it are counted.
with self as (
    select job.id, job.job_name, job.status::text as status, job.priority, job.daemon_id,
           nullif(job.due_at, 'infinity') as due_at, job.hold_reason, job.last_execution_status,
           job.last_execution_time, job.schedule_time, job.retry_interval, job.retry_backoff,
           job.retry_interval_max, job.retry_jitter, job.execution_count, job.execution_total,
           job.max_execution_count, job.is_recursive, job.timeout, job.started_at, job.finished_at,
           job.stop_requested, job.progress, job.progress_message, left(job.message, 500) as message,
           job.created_at, job.created_by, job.finished_at = job.ordered_at as is_ended_by_client,
           job.xmax as locker,
           coalesce(job.ordered_at, job.created_at) as ordered_at,
           coalesce(job.ordered_by, job.created_by) as ordered_by
      from asyncjob.job
     where job.id = :job_id
),
alive as (
    select daemon.id, daemon.name, daemon.host, daemon.pid, daemon.concurrency, daemon.is_draining,
           daemon.metrics,
           (select self.job_name from self) = any (daemon.actions) as serves
      from asyncjob.daemon
     where daemon.heartbeat_at > now() - make_interval(secs => daemon.lease_seconds)
),
taken as (
    select job.job_name, count(*) as jobs, extract(epoch from now() - min(job.started_at))::float8 as oldest
      from asyncjob.job
     where job.daemon_id in (select alive.id from alive where alive.serves)
     group by job.job_name
)
select self.id, self.job_name, self.status, self.ordered_at, self.ordered_by, self.due_at, self.hold_reason,
       self.last_execution_status, self.schedule_time, now() as now, self.execution_count,
       self.execution_total, self.started_at, self.finished_at, self.stop_requested, self.progress,
       self.progress_message, self.message, self.created_at, self.created_by, self.is_ended_by_client,
       coalesce(self.max_execution_count, action.max_execution_count, 5) as max_execution_count,
       coalesce(self.is_recursive, action.is_recursive, false) as is_recursive,
       coalesce(self.timeout, action.timeout) as timeout,
       self.retry_interval, retry.*,
       self.due_at = self.last_execution_time + asyncjob.retry_delay_of(
                     self.job_name, self.retry_interval, self.retry_backoff, self.retry_interval_max,
                     self.retry_jitter, self.id, self.execution_count) is true as is_backed_off,
       self.daemon_id is not null as is_running,
       action.name is not null as is_known, action.is_active is not false as is_active,
       action.is_limited is true as is_limited,
       array(select action.name from asyncjob.action order by action.name) as known_names,
       array(select alive.pid from alive where not alive.serves) as other_pids,
       (select count(*) from alive) as daemons,
       (select count(*) from alive where alive.serves) as serving,
       array(select alive.name from alive where alive.serves and alive.is_draining
              order by alive.name) as draining,
       (select count(*) from alive where alive.serves and not alive.is_draining) as claiming,
       case when action.paused_until > now() then action.paused_by end as paused_by,
       case when action.paused_until > now()
            then date_part('epoch', action.paused_until) - date_part('epoch', now()) end as paused_for,
       case when not exists (select from alive
                              where alive.serves and not alive.is_draining
                                and (select count(*) from asyncjob.job
                                      where job.daemon_id = alive.id and job.job_name = self.job_name)
                                    < action.max_running_per_daemon)
            then action.max_running_per_daemon end as reached_limit,
       (select coalesce(sum(alive.concurrency), 0) from alive where alive.serves) as slots,
       (select coalesce(sum(taken.jobs), 0) from taken) as taken,
       array(select format('%s of %s', taken.jobs, taken.job_name) from taken
              order by taken.jobs desc, taken.job_name limit 3) as taken_by,
       (select max(taken.oldest) from taken) as taken_for,
       (select count(*) from (
           select from asyncjob.job
            where job.job_name = self.job_name and job.status = 'In Progress' and job.daemon_id is null
              and (job.priority, job.id) < (self.priority, self.id)
            limit :max_counted) as first) as before,
       (select count(*) from (
           select from asyncjob.job
            where job.job_name = self.job_name and job.status = 'In Progress' and job.daemon_id is null
              and job.priority < self.priority
            limit :max_counted) as first) as preferred,
       (select format('pid %s (%s, %s, %s)', activity.pid, activity.usename, activity.application_name,
                      activity.state)
          from pg_locks
          join pg_stat_activity as activity on activity.pid = pg_locks.pid
         where pg_locks.locktype = 'transactionid' and pg_locks.transactionid = self.locker
           and pg_locks.granted
           -- null: hidden from this role
           and coalesce(activity.xact_start < now() - interval '1 second',
                        activity.application_name not like 'asyncjobd%')
         limit 1) as locked_by,
       (select sum((alive.metrics #>> array['actions', self.job_name, 'rate'])::float8) from alive) as rate,
       owner.daemon, owner.silent_for, owner.lease_seconds, owner.blocked
  from self
  left join asyncjob.action on action.name = self.job_name
  left join lateral (
       select format('%s on %s, pid %s', daemon.name, daemon.host, daemon.pid) as daemon,
              extract(epoch from now() - daemon.heartbeat_at)::float8 as silent_for, daemon.lease_seconds,
              daemon.metrics #>> '{hindrances,blocked}' as blocked
         from asyncjob.daemon where daemon.id = self.daemon_id) as owner on true
 cross join lateral (
       select coalesce(self.retry_backoff, action.retry_backoff) as retry_backoff,
              coalesce(self.retry_interval_max, action.retry_interval_max) as retry_interval_max,
              coalesce(self.retry_jitter, action.retry_jitter) as retry_jitter) as retry
