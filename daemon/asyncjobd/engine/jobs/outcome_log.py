"""Logs and counts the recorded outcomes of executions: one event for each, with the same keys."""

from typing import Any

import asyncpg
import structlog

from asyncjobd.engine.jobs.finished import FinishedExecution
from asyncjobd.job import Status
from asyncjobd.observability.logging import setup as logs
from asyncjobd.observability.metrics.counters import DaemonMetrics
from asyncjobd.result import Outcome

COMPLETED = Status.COMPLETED.value
STATUS_COMPLETED = {"status": COMPLETED}

log = structlog.get_logger("asyncjobd.job")


class OutcomeLog:
    def __init__(self, metrics: DaemonMetrics) -> None:
        self._metrics = metrics

    def recorded(self, executions: list[FinishedExecution], row: asyncpg.Record) -> None:
        """Log and count executions that were recorded with the same result, `row`."""
        if row["status"] == COMPLETED and not row["is_stopped"]:
            lines = [_fields(finished, row) | STATUS_COMPLETED for finished in executions]
            self._metrics.count_each("completed", lines)
            logs.info_each("job.completed", lines)
            return
        for finished in executions:
            fields = _fields(finished, row)
            self._metrics.count_each(_log_unusual(finished, row, fields), [fields])

    def lost(self, finished: FinishedExecution) -> None:
        """Log and count an outcome that is dropped, as its row is not this execution's any more."""
        self._metrics.disowned_outcomes += 1
        log.warning(
            "job.lost", **_fields(finished), reason="the row is gone or has another owner; outcome dropped"
        )


def log_refused(finished: FinishedExecution, reason: str, retry_in: float) -> None:
    """Log an outcome that PostgreSQL refuses to store. It is tried again in `retry_in` seconds."""
    log.error("job.unwritable", **_fields(finished), reason=reason, again_in=retry_in)


def log_unwritten(count: int) -> None:
    """Log how many outcomes are lost with this daemon."""
    log.error("outcomes.unwritten", count=count, reason="other daemons will take these jobs back")


def _log_unusual(finished: FinishedExecution, row: asyncpg.Record, fields: dict[str, Any]) -> str:
    """Log an execution that did not complete its job, and return the transition that it is counted as."""
    status = row["status"]
    traceback = finished.result.traceback
    if row["is_stopped"]:
        log.info("job.stopped", **fields, status=status)
        return "stopped"
    if status == Status.FAILED:
        log.error("job.failed", **fields, status=status, traceback=traceback)
        return "failed"
    if row["outcome"] == Outcome.STOPPED:
        log.info("job.handed_back", **fields, status=status)
        return "stopped"
    if row["skipped"] is None:
        log.warning("job.retries", **fields, status=status, traceback=traceback)
        return "retried"
    has_failed = row["outcome"] != Outcome.SUCCESS  # the row goes on, and does not show this failure any more
    log_it = log.warning if has_failed else log.info
    log_it("job.repeats", **fields, status=status, skipped=row["skipped"], traceback=traceback)
    return "failed" if has_failed else "repeated"


def _fields(finished: FinishedExecution, row: asyncpg.Record | None = None) -> dict[str, Any]:
    """Return the fields that every event of an outcome has.

    If an earlier try has recorded the outcome, and only its reply was lost, the row has what was recorded then.
    """
    job, result = finished.job, finished.result
    recorded = None if row is None else row["outcome"]
    fields = {
        "job_id": job.id,
        "job_name": job.job_name,
        "execution_count": job.execution_count,
        "outcome": recorded or result.outcome,
        "duration": int(finished.duration * 1e6) / 1e6,  # round() takes three times as long
        "waited": int(job.waited * 1e6) / 1e6,
    }
    if result.message is not None and recorded in {None, result.outcome}:
        fields["message"] = result.message
    return fields
