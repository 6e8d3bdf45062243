"""Bugs of features, to be planted like the others."""

from tests.simulation.bug import QUERIES, SCHEMA, Bug

FEATURE_BUGS = [
    Bug(
        "one more runs than max_running",
        SCHEMA,
        "room := least(room, limits.max_running - asyncjob.count_running(name, limits.max_running));",
        "room := least(room, limits.max_running + 1 - asyncjob.count_running(name, limits.max_running + 1));",
        seed=8,
    ),
    Bug(
        "the rows of a key are not counted",
        SCHEMA,
        "where job.job_name = limits.name and job.limit_key = key and job.daemon_id is not null\n"
        "                     limit limits.max_running_per_key",
        "where false\n                     limit limits.max_running_per_key",
    ),
    Bug(
        "starts of an action are not paid for",
        SCHEMA,
        "if limits.rate is not null then\n        perform asyncjob.take_from_buckets(",
        "if false then\n        perform asyncjob.take_from_buckets(",
    ),
    Bug(
        "starts of a key are not paid for",
        SCHEMA,
        "if limits.rate_per_key is not null then\n        perform asyncjob.take_from_buckets(",
        "if false then\n        perform asyncjob.take_from_buckets(",
    ),
    Bug(
        "a place that is free again is not told",
        f"{QUERIES}/jobs/record_outcomes.sql",
        "and asyncjob.notify('asyncjob', 'freed ' || action.name)",
        "and false",
    ),
    Bug(
        "a lane that rests for its rate is forgotten",
        "engine/jobs/limited_claims.py",
        "lane.rests_until for lane in self._lanes.values() if lane.has_rows and lane.rests_until < inf",
        "lane.rests_until for lane in self._lanes.values() if lane.has_rows and lane.rests_until < 0",
    ),
    Bug(
        "jobs that a daemon has are not counted",
        "engine/jobs/occupancy.py",
        "return [counts[name] if name in limited else None for name in names]",
        "return [0 if name in limited else None for name in names]",
    ),
    Bug(
        "a claim does not look at pauses",
        f"{QUERIES}/jobs/claim_jobs.sql",
        "where (action.paused_until > now()) is not true\n",
        "where true\n",
        seed=5,
    ),
    Bug(
        "nobody wakes at the end of a pause",
        "engine/fleet/control_reader.py",
        "controls_changed.wait(min(self._controls.paused.values(), default=None))",
        "controls_changed.wait(None)",
    ),
    Bug(
        "a daemon that drains goes on",
        "engine/fleet/control_reader.py",
        "        self._controls.is_draining = is_draining\n",
        "",
    ),
    Bug(
        "nobody looks once a daemon drains no more",
        "engine/fleet/control_reader.py",
        "            self._signals.rows_ready.add()\n        self._status.show()",
        "        self._status.show()",
    ),
    Bug(
        "two daemons move a schedule on",
        SCHEMA,
        "where schedule.name = move_schedule.name and schedule.next_at is not distinct from move_schedule.next_at\n",
        "where schedule.name = move_schedule.name\n",
        seed=6,
    ),
    Bug(
        "a time is caught up only behind the last job of its schedule",
        SCHEMA,
        "if is_late and before is null then",
        "if false then",
        seed=50032,
    ),
    Bug(
        "a schedule is moved by what it was before",
        SCHEMA,
        "       and schedule.changed_at = move_schedule.changed_at\n",
        "",
        seed=50511,
    ),
    Bug(
        "a time has no key",
        SCHEMA,
        "moved.priority, moved.max_execution_count, false, moved.timeout, moved.limit_key, time_key,",
        "moved.priority, moved.max_execution_count, false, moved.timeout, moved.limit_key, "
        "time_key || random()::text,",
    ),
    Bug(
        "only the last of the times is caught up",
        "engine/jobs/schedule_moves.py",
        'if row["catch_up"] == "all":',
        'if row["catch_up"] == "none":',
    ),
    Bug(
        "a pause of a schedule is not looked at",
        SCHEMA,
        "and (schedule.next_at is null or (schedule.paused_until > now()) is not true)\n",
        "",
    ),
    Bug(
        "a schedule that others have locked or moved is forgotten",
        "engine/jobs/scheduler.py",
        "self._retries[name] = Retry(clock + delay.seconds, delay)",
        "pass",
    ),
    Bug(
        "a debounced request is not taken up",
        SCHEMA,
        "                      params = excluded.params,",
        "                      params = job.params,",
        seed=1,
    ),
    Bug(
        "rows handed back have not started",
        f"{QUERIES}/jobs/hand_back_jobs.sql",
        "execution_count = greatest(job.execution_count - 1, 0)",
        "started_at = null, execution_count = greatest(job.execution_count - 1, 0)",
    ),
    Bug(
        "a retry does not grow",
        SCHEMA,
        "else least(retry_interval * growth, most) end;",
        "else least(retry_interval, most) end;",
        seed=1,
    ),
    Bug(
        "a retry comes too early by its jitter",
        SCHEMA,
        "return longest * (1 - coalesce(retry_jitter, 0)::numeric * drawn)::float8;",
        "return longest * (1 - drawn)::float8;",
    ),
    Bug(
        "what others wait for is deleted",
        f"{QUERIES}/upkeep/delete_jobs.sql",
        "where waiting.waits_on = candidate.id and waiting.status = 'Queued')",
        "where false)",
    ),
    Bug(
        "rows are deleted as soon as they have ended",
        f"{QUERIES}/upkeep/delete_jobs.sql",
        "              and job.finished_at\n                  < now() - case",
        "              and job.finished_at\n                  < now() - 0 * case",
    ),
    Bug(
        "a row whose claim is refused is not set aside",
        "engine/jobs/claims.py",
        'has_moved = await self._quarantine.set_aside(row["id"], error, version=row["version"])',
        "has_moved = False",
    ),
    Bug(
        "a look for rows that are refused uses up starts",
        f"{QUERIES}/jobs/find_limited_jobs.sql",
        ":after_key, :after_priority, :after_id) as picked\n",
        ":after_key, :after_priority, :after_id) as picked\n"
        " cross join lateral asyncjob.take_starts(\n"
        "       :name, array_fill(null::text, array[cardinality(picked.places)])) as taken\n",
    ),
]
