"""All bugs to plant: of the job's life, the fleet and the wake-up here, of features beside."""

from tests.simulation.bug import QUERIES, SCHEMA, Bug
from tests.simulation.feature_bugs import FEATURE_BUGS

BUGS = [
    *FEATURE_BUGS,
    Bug(
        "a record needs no claim",
        f"{QUERIES}/jobs/record_outcomes.sql",
        "where job.id = ended.id and job.claim_token = ended.claim_token",
        "where job.id = ended.id",
    ),
    Bug(
        "a record is not known again when its reply was lost",
        f"{QUERIES}/jobs/record_outcomes.sql",
        "from locked where locked.daemon_id is null",
        "from locked where false",
    ),
    Bug(
        "a stop is counted as an execution",
        f"{QUERIES}/jobs/record_outcomes.sql",
        "when locked.is_stopped or locked.outcome = 'stopped'",
        "when false",
        seed=146,
    ),
    Bug(
        "an outcome overwrites the client's status",
        f"{QUERIES}/jobs/record_outcomes.sql",
        "status                = case when locked.is_stopped then job.status\n",
        "status                = case when false then job.status\n",
    ),
    Bug(
        "a stop is not told",
        SCHEMA,
        "            perform asyncjob.notify(format('%s:%s', tg_table_schema, old.daemon_id), 'stop');\n"
        "        end if;",
        "        end if;",
    ),
    Bug(
        "clients never notify",
        SCHEMA,
        "        if not asyncjob.is_open(job_name) then\n",
        "        if false then\n",
        seed=4,
    ),
    Bug(
        "clients do not take the gate",
        SCHEMA,
        "select pg_try_advisory_xact_lock_shared('asyncjob.job'::regclass::integer, asyncjob.gate_key(job_name))",
        "select true",
    ),
    Bug(
        "rows handed back stay counted",
        f"{QUERIES}/jobs/hand_back_jobs.sql",
        "execution_count = greatest(job.execution_count - 1, 0)",
        "execution_count = job.execution_count",
        seed=4,
    ),
    Bug(
        "an open watch is not looked at",
        f"{QUERIES}/jobs/resolve_waiting_jobs.sql",
        "child.id <= locked.waits_on",
        "child.id < locked.waits_on",
        seed=3,
    ),
    Bug(
        "a job waits for its last child only",
        f"{QUERIES}/jobs/resolve_waiting_jobs.sql",
        "child.parent_id between locked.id and locked.id and child.id <= locked.waits_on",
        "locked.waits_on = 0",
    ),
    Bug(
        "a job waits for the first one that it watches only",
        f"{QUERIES}/jobs/resolve_waiting_jobs.sql",
        "where job.id = listed.id and job.status in ('Queued', 'In Progress', 'Hold')",
        "where job.id = listed.id and job.status in ('Queued', 'In Progress', 'Hold') and locked.waits_on = 0",
        seed=1,
    ),
    Bug(
        "a rescue keeps the claim",
        f"{QUERIES}/fleet/rescue_jobs.sql",
        "       claim_token           = null,       -- what that execution still writes is refused\n",
        "",
    ),
    Bug(
        "a claim is begun after the lease has lapsed",
        "engine/jobs/handover.py",
        "return self._lease.has_lasted(claim.lapses)",
        "return True",
    ),
    Bug(
        "rows of daemons without a row are not found",
        f"{QUERIES}/fleet/find_lost_jobs.sql",
        "or not exists (select from asyncjob.daemon where daemon.id = job.daemon_id)",
        "or false",
    ),
    Bug(
        "a daemon's row goes before its jobs",
        f"{QUERIES}/fleet/delete_daemons.sql",
        "     where not exists (select from asyncjob.job where job.daemon_id = daemon.id)\n",
        "",
    ),
    Bug(
        "a claim takes rows that are owned",
        f"{QUERIES}/jobs/claim_jobs.sql",
        "job.daemon_id is null\n               and (job.priority, job.id) > (lane.after_priority, lane.after_id)\n"
        "               and (job.priority, job.id) <=",
        "true\n               and (job.priority, job.id) > (lane.after_priority, lane.after_id)\n"
        "               and (job.priority, job.id) <=",
    ),
    Bug(
        "orphans are handed back at first sight",
        "engine/jobs/reconciler.py",
        "sorted(unknown & self._suspects)",
        "sorted(unknown)",
    ),
    Bug(
        "a claim in flight is an orphan",
        "engine/jobs/reconciler.py",
        "if key[1] != claiming}\n        # a key",
        "}\n        # a key",
    ),
    Bug(
        "nobody looks for orphans",
        "engine/jobs/reconciler.py",
        "self._suspects = unknown\n",
        "self._suspects = set()\n",
    ),
    Bug(
        "a daemon that may have lost its lease goes on",
        "engine/fleet/heartbeat.py",
        "            self._jobs.runner.stop_all()\n",
        "",
    ),
    Bug(
        "it claims without a lease", "engine/fleet/heartbeat.py", "            self._lease.held.clear()\n", ""
    ),
    Bug("a daemon that was written off goes on", "engine/fleet/heartbeat.py", "if not rows:", "if False:"),
    Bug(
        "a silent daemon is dead at once",
        "engine/fleet/rescuer.py",
        "daemon.silent_for > daemon.lease",
        "daemon.silent_for > 0",
    ),
    Bug(
        "a freeze of the observer counts",
        "engine/fleet/rescuer.py",
        "min(now - self._observed_at, 2 * self._renewal_interval)",
        "now - self._observed_at",
    ),
    Bug(
        "no look once the gate is taken",
        "engine/wakeup/notify_gate.py",
        "            self.is_held = True\n            self._rows_ready.add()\n",
        "            self.is_held = True\n",
    ),
    Bug(
        "clients that have the gate are not waited for",
        "engine/wakeup/notify_gate.py",
        "if clients := [key for key, is_daemons in missing.items() if not is_daemons]:",
        "if clients := []:",
    ),
    Bug(
        "no look once the gate is lost",
        "engine/wakeup/notify_gate.py",
        '        """Switch to polling, as the locks went with the connection."""\n        self._note_released()\n',
        '        """Switch to polling, as the locks went with the connection."""\n',
    ),
    Bug(
        "a gate that others have is not tried again",
        "engine/wakeup/notify_gate.py",
        "await self._changed.wait(OTHERS_RETRY if missing else None)",
        "await self._changed.wait(None)",
    ),
    Bug(
        "a signal is cleared after the claim",
        "engine/jobs/claimer.py",
        "        claim = await self._claim(cursors, reading, wanted, width)\n        claimed = len(claim.jobs)\n",
        "        claim = await self._claim(cursors, reading, wanted, width)\n        self._rows_ready.clear()\n"
        "        claimed = len(claim.jobs)\n",
    ),
    Bug(
        "one more than there are slots",
        "engine/jobs/slots.py",
        "len(self.running) >= self.concurrency",
        "len(self.running) > self.concurrency",
    ),
    Bug(
        "a slot leaks when a handler fails",
        "engine/jobs/runner.py",
        "        finally:\n            self._slots.finish(key, job)\n",
        "        finally:\n            if context.stop_reason is None:\n                self._slots.finish(key, job)\n",
    ),
    Bug(
        "rows that are locked are dropped",
        "engine/jobs/recorder.py",
        "                self._locked.append(finished)\n",
        "                self._forget([finished])\n",
    ),
    Bug(
        "a retry is not scheduled",
        "engine/jobs/recorder.py",
        '                self._signals.made_queued(row["due_epoch"])\n',
        "                pass\n",
    ),
    Bug(
        "the timer forgets the next row",
        "engine/jobs/timer.py",
        'if row["next_due_epoch"] is not None:',
        "if False:",
    ),
    Bug(
        "what is promoted is not told",
        "engine/jobs/timer.py",
        'if row["promoted"]:',
        "if False:",
    ),
    Bug(
        "what is promoted is not claimed",
        "engine/jobs/timer.py",
        "        if served or is_foreseen:",
        "        if False:",
    ),
    Bug(
        "a handler's writes are committed before the record",
        "engine/jobs/execution.py",
        '        rows = await transaction.run("jobs/record_outcomes", **record_arguments([finished]))\n',
        "        await transaction.commit()\n        return None\n",
    ),
    Bug(
        "no look after the listener was away",
        "engine/wakeup/listener.py",
        "        self._signals.look_again()  # changes may have been committed while nobody listened\n",
        "",
    ),
]
