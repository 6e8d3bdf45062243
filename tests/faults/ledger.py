"""The ledger of a run under faults, and the eight invariants of a job system, checked from it."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

SCHEMA = """
create schema ledger;
create table ledger.batch (n bigint primary key);
create table ledger.job (id bigint primary key, kind text not null, batch bigint not null,
                         is_touched boolean not null default false, status text);
create table ledger.effect (job_id bigint not null, lease bigint not null);
"""


@dataclass
class Execution:
    job: int
    number: int
    lease: int
    life: str
    start: float
    end: float = inf


@dataclass
class Life:
    """One process of a daemon, from its start to its end."""

    name: str
    concurrency: int
    log: Path
    end: float = inf
    was_killed: bool = False


def read_executions(file: Path) -> list[Execution]:
    """Return the executions in the order of their starts. Those that were cut off have no end."""
    found: dict[tuple[int, int], Execution] = {}
    for line in file.read_text().splitlines(keepends=True):
        if not line.endswith("\n"):
            break  # a daemon is writing it
        entry = json.loads(line)
        key = entry["job"], entry["lease"]
        if entry["event"] == "end":
            found[key].end = entry["t"]
        else:
            assert key not in found, f"job {key[0]} was started twice under one lease"
            found[key] = Execution(entry["job"], entry["number"], entry["lease"], entry["life"], entry["t"])
    return list(found.values())


class Ledger:
    """All that a run left. `jobs`: the rows by id; `kinds`: inserted job names; `touched`: jobs that a client changed."""

    def __init__(
        self, file: Path, lives: dict[str, Life], kinds: dict[int, str], touched: set[int], jobs: dict[int, Any],
        kept: dict[tuple[int, int], str], effects: dict[int, list[int]],
    ) -> None:  # fmt: skip
        self.lives = lives
        self.kinds = kinds
        self.touched = touched
        self.jobs = jobs
        self.kept = kept  # (job, number) -> status, of asyncjob.execution
        self.effects = effects
        self.executions = read_executions(file)
        for execution in self.executions:
            execution.end = min(execution.end, lives[execution.life].end)
        self.ends = self._lines(b'"job.completed"', b'"status":"Failed"')
        self.lost = self._lines(b'"job.lost"')

    @classmethod
    async def load(cls, file: Path, lives: dict[str, Life], db: Any) -> "Ledger":
        ledger_jobs = await db.fetch("select id, kind, is_touched from ledger.job")
        effects = defaultdict(list)
        for row in await db.fetch("select job_id, lease from ledger.effect"):
            effects[row["job_id"]].append(row["lease"])
        return cls(
            file,
            lives,
            {row["id"]: row["kind"] for row in ledger_jobs},
            {row["id"] for row in ledger_jobs if row["is_touched"]},
            {row["id"]: row for row in await db.fetch("select * from asyncjob.job")},
            {
                (r["job_id"], r["number"]): r["status"]
                for r in await db.fetch("select * from asyncjob.execution")
            },
            effects,
        )

    def _lines(self, *texts: bytes) -> dict[int, list[tuple[str, str]]]:
        """Return for each job (event, life) of the log lines that have one of these texts."""
        lines = defaultdict(list)
        for life in self.lives.values():
            for line in life.log.read_bytes().split(b"\n"):
                if any(text in line for text in texts):
                    entry = json.loads(line)
                    lines[entry["job_id"]].append((entry["event"], life.name))
        return lines

    def overlaps(self) -> Iterator[tuple[Execution, Execution]]:
        """Yield pairs of executions of one job where the second began before the first had ended."""
        by_job = defaultdict(list)
        for execution in self.executions:
            by_job[execution.job].append(execution)
        for executions in by_job.values():
            executions.sort(key=lambda e: e.start)
            for n, first in enumerate(executions):
                for second in executions[n + 1 :]:
                    if second.start < first.end:
                        yield first, second

    def longest_rescue(self) -> float:
        """Return the longest time from the kill of a daemon to the next start of a job it ran, in seconds."""
        by_job = defaultdict(list)
        for execution in self.executions:
            by_job[execution.job].append(execution)
        waits = [0.0]
        for executions in by_job.values():
            executions.sort(key=lambda e: e.start)
            for first, second in pairwise(executions):
                life = self.lives[first.life]
                if life.was_killed and first.end == life.end and first.job not in self.touched:
                    waits.append(second.start - first.end)
        return max(waits)

    def violations(self) -> list[str]:
        """Return the violated invariants in words."""
        return [text for check in (
            self.every_row_has_ended_or_visibly_waits, self.at_most_one_live_lease, self.counts_stay_below_their_max,
            self.no_row_is_owned, self.slots_stay_within_their_limit, self.one_terminal_line_a_job, self.effects_are_exactly_once,
        ) for text in check()]  # fmt: skip

    def every_row_has_ended_or_visibly_waits(self) -> Iterator[str]:
        for job_id, kind in self.kinds.items():
            row = self.jobs.get(job_id)
            if job_id in self.touched:
                if row is not None and row["status"] not in ("Completed", "Failed", "Hold"):
                    yield f"job {job_id}, touched by a client, is {row['status']}"
            elif row is None:
                yield f"job {job_id} ({kind}) is gone"
            elif row["status"] != "Completed":
                yield f"job {job_id} ({kind}) is {row['status']}: {row['message']}"

    def at_most_one_live_lease(self) -> Iterator[str]:
        """Check that a second execution ran beside a first only where that had lost its lease, as its row says.

        A job that a client has deleted has taken such rows with it.
        """
        for first, second in self.overlaps():
            if first.job in self.jobs and self.kept.get((first.job, first.number)) != "lost":
                yield (f"job {first.job}: execution {second.number} of {second.life} began {first.end - second.start:.3f} s before"
                       f" {first.number} of {first.life} had ended")  # fmt: skip

    def counts_stay_below_their_max(self) -> Iterator[str]:
        stopped: dict[int, int] = defaultdict(int)
        for (job_id, _), status in self.kept.items():
            stopped[job_id] += status == "stopped"
        for row in self.jobs.values():
            if row["max_execution_count"] is not None and row["execution_count"] > row["max_execution_count"]:
                yield f"job {row['id']}: {row['execution_count']} executions of {row['max_execution_count']}"
            counted = row["execution_total"] - stopped[row["id"]]
            if row["id"] not in self.touched and row["execution_count"] != counted:
                yield f"job {row['id']}: execution_count {row['execution_count']}, but {counted} that were not stopped"

    def no_row_is_owned(self) -> Iterator[str]:
        for row in self.jobs.values():
            if row["daemon_id"] is not None:
                yield f"job {row['id']} is owned by {row['daemon_id']}"

    def slots_stay_within_their_limit(self) -> Iterator[str]:
        changes: dict[str, list[tuple[float, int]]] = defaultdict(list)
        for execution in self.executions:
            changes[execution.life] += [(execution.start, 1), (execution.end, -1)]
        for life, points in changes.items():
            used = most = 0
            for _, change in sorted(points):
                used += change
                most = max(most, used)
            if most > self.lives[life].concurrency:
                yield f"daemon {life} ran {most} at once, its concurrency is {self.lives[life].concurrency}"

    def one_terminal_line_a_job(self) -> Iterator[str]:
        """Check that each job has one line about its end; a killed process may have died before writing it."""
        last = {}
        for execution in sorted(self.executions, key=lambda e: e.number):
            last[execution.job] = execution.life
        for job_id, row in self.jobs.items():
            if job_id in self.touched or row["status"] not in ("Completed", "Failed"):
                continue
            lines = self.ends.get(job_id, [])
            if len(lines) > 1 or (not lines and not self.lives[last[job_id]].was_killed):
                yield f"job {job_id} is {row['status']} and has the lines {lines}"

    def effects_are_exactly_once(self) -> Iterator[str]:
        for job_id, row in self.jobs.items():
            if self.kinds.get(job_id) != "writes" or job_id in self.touched:
                continue
            leases = self.effects.get(job_id, [])
            if leases != ([row["claim_token"]] if row["status"] == "Completed" else []):
                yield f"job {job_id} is {row['status']} under claim {row['claim_token']}, its effects are of {leases}"
