"""Judges a world by what it left: the eight invariants of the ledger, and what holds in a world only."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

from tests.faults.client import PROBE
from tests.faults.ledger import Ledger
from tests.simulation.faults import REWINDING
from tests.simulation.feature import ENDS_LATE, OFTEN_FREE, PROMPT_SECONDS, Feature
from tests.simulation.machine import Machine
from tests.simulation.plan import Plan
from tests.simulation.producer import Producer
from tests.simulation.pruning import restore
from tests.simulation.server import Server

EXECUTIONS = {"fails_twice": 3, "raises_twice": 3, "outlasts": 3}  # of a job, where it is not 1


def judge(
    file: Path,
    machines: list[Machine],
    producers: list[Producer],
    features: list[Feature],
    server: Server,
    plan: Plan,
    violations: list[str],
) -> Ledger:
    """Add what is wrong to `violations`, and return the ledger."""
    lives = {life.name: life for machine in machines for life in machine.lives}
    ledger: Ledger = server.complete(Ledger.load(file, lives, server.control))
    restore(ledger, server)
    stalled = set().union(*(machine.stalled for machine in machines))
    for machine in machines:
        violations += machine.errors
    for complaints in (*(each.complaints for each in producers), *(each.complaints for each in features)):
        violations += complaints
    if any(strike.fault == REWINDING for strike in plan.strikes):
        violations += _of_rewound(ledger)
    else:
        violations += ledger.violations()
        violations += _overwritten(ledger, server)
        violations += _early_starts(ledger)
        violations += _overlaps(ledger, stalled)
        for feature in features:
            violations += feature.violations(ledger, server, stalled)
    if plan.is_calm:
        violations += _repeated(ledger)
        if plan.slots >= OFTEN_FREE and "blocks_loop" not in plan.kinds:
            slow = set().union(*(producer.slow for producer in producers))
            late = set().union(*(feature.late for feature in features))
            violations += _late_starts(ledger, slow, late)
    return ledger


def _of_rewound(ledger: Ledger) -> list[str]:
    """Return what is wrong although the server has forgotten transactions: what has run may run again."""
    checks = ledger.no_row_is_owned, ledger.slots_stay_within_their_limit, ledger.effects_are_exactly_once
    return [text for check in checks for text in check()]


def _overwritten(ledger: Ledger, server: Server) -> Iterator[str]:
    """Yield jobs that a client has stopped for good, and that have gone on."""
    for row in server.run(
        "select id, status from ledger.job where status in ('Hold', 'Completed', 'Failed')"
    ):
        job = ledger.jobs.get(row["id"])
        if job is not None and job["status"] != row["status"]:
            yield f"job {row['id']} is {job['status']}, and a client has written {row['status']}"


def _overlaps(ledger: Ledger, stalled: set[str]) -> Iterator[str]:
    """Yield what ran twice at a time though the first daemon could have ended it before its lease did."""
    blocked = {each.life for each in ledger.executions if ledger.kinds.get(each.job) == "blocks_loop"}
    for first, second in ledger.overlaps():
        if first.life not in stalled | blocked and ledger.kinds.get(first.job) not in ENDS_LATE:
            yield f"job {first.job} began in {second.life} at {second.start:.3f}, and ran in {first.life} until {first.end:.3f}"


def _early_starts(ledger: Ledger) -> Iterator[str]:
    """Yield jobs that began before all that they wait for had ended."""
    executions = defaultdict(list)
    for execution in ledger.executions:
        executions[execution.job].append(execution)
    begun = {(execution.job, execution.number) for execution in ledger.executions}
    unbegun = Counter(  # claims whose answer was lost: they count for the handler, which did not run
        job_id for (job_id, number), status in ledger.kept.items()
        if status == "lost" and (job_id, number) not in begun
    )  # fmt: skip
    needed = {job_id: list(row["waits_for"] or ()) for job_id, row in ledger.jobs.items()}
    for job_id, row in ledger.jobs.items():
        parent = ledger.jobs.get(row["parent_id"])
        if parent is not None and parent["waits_for_children"] and row["priority"] == PROBE:  # not its own
            needed[parent["id"]].append(job_id)
    for job_id, ids in needed.items():
        began = min((execution.start for execution in executions[job_id]), default=inf)
        for each in ids:
            ended = sum(
                execution.end <= began
                or ledger.kept.get((each, execution.number)) == "lost"  # a frozen daemon's
                for execution in executions[each]
            )
            if began < inf and ended < max(1, EXECUTIONS.get(ledger.kinds[each], 1) - unbegun[each]):
                yield f"job {job_id} began at {began:.3f}, before job {each} had ended"


def _repeated(ledger: Ledger) -> Iterator[str]:
    """Yield jobs with more or fewer executions than their handlers ask for."""
    counts = Counter(execution.job for execution in ledger.executions)
    for job_id, kind in ledger.kinds.items():
        expected = EXECUTIONS.get(kind, 1)
        if job_id not in ledger.touched and counts[job_id] != expected:
            yield f"job {job_id} ({kind}) was executed {counts[job_id]} times, not {expected}"


def _late_starts(ledger: Ledger, slow: set[int], late: set[str]) -> Iterator[str]:
    """Yield jobs that began late, but for `slow` ones, whose transactions were long, and `late` kinds."""
    for event in _logged(ledger):
        is_known_late = event["job_id"] in slow and event["execution_count"] == 1
        if (
            event.get("waited", 0.0) > PROMPT_SECONDS
            and not is_known_late
            and event["job_name"] not in late
            and event["job_id"] not in ledger.touched
        ):
            yield f"job {event['job_id']} began {event['waited']:.1f} s after it was due, as execution {event['execution_count']}"


def _logged(ledger: Ledger) -> Iterator[dict[str, Any]]:
    for life in ledger.lives.values():
        for line in life.log.read_text().splitlines():
            yield json.loads(line)
