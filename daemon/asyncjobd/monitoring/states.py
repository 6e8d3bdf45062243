"""The state of a job in one word: its status, with In Progress told apart as ready and running."""

from collections.abc import Mapping
from typing import Any

from asyncjobd.job import Job, Status

COLOURS = {
    "Queued": "cyan", "ready": "cyan", "running": "cyan", "stopping": "yellow", "Completed": "green",
    "Failed": "red", "Hold": "yellow",
}  # fmt: skip


def state_of(job: Job) -> str:
    """Return the state of a job."""
    return _state(job.status, is_running=job.is_running, is_stopping=job.is_stopping)


def state_of_row(row: Mapping[str, Any]) -> str:
    """Return the state of a job from a row of client/get_job or client/find_keys."""
    is_running, is_stopping = row["daemon_id"] is not None, row["stop_requested"]
    return _state(Status(row["status"]), is_running=is_running, is_stopping=is_stopping)


def state_in_list(row: Mapping[str, Any]) -> str:
    """Return the state of a job from a row of inspect/, which has is_running and is_stopping."""
    return _state(Status(row["status"]), is_running=row["is_running"], is_stopping=row["is_stopping"])


def _state(status: Status, *, is_running: bool, is_stopping: bool) -> str:
    """Return ready (no daemon has the job yet), running, stopping (its handler was told to end), or the status.

    A job whose status is final while its handler still runs is stopping.
    """
    if is_running:
        return "stopping" if is_stopping or status is not Status.IN_PROGRESS else "running"
    return "ready" if status is Status.IN_PROGRESS else status.value
