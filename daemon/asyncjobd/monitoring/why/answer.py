"""Why a job is as it is: what it waits for, where it runs, how it ended, or why there is none."""

from collections.abc import Collection, Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any

from asyncjobd.job import Status
from asyncjobd.monitoring.dependencies import MOST_CHILDREN, explain_dependencies
from asyncjobd.monitoring.retries import explain_delay
from asyncjobd.monitoring.run import Run
from asyncjobd.monitoring.times import full_time
from asyncjobd.monitoring.units import one_line
from asyncjobd.monitoring.why.ended import ended
from asyncjobd.monitoring.why.names import name_reason
from asyncjobd.monitoring.why.ready import MOST_COUNTED, ready
from asyncjobd.monitoring.why.reason import Reason, ordered, topic_of
from asyncjobd.monitoring.why.running import running

Row = Mapping[str, Any]


async def why(run: Run, job_id: int, configured: Collection[str] = (), path: Path | None = None) -> Reason:
    """Return why a job is as it is, or why no job with this id is seen.

    Args:
        run: Runs a query of postgres/queries by its name, such as `client.pool.fetch`.
        job_id: The id of the job.
        configured: The job names of the configuration at `path`. Default: none is known.
        path: The configuration file.
    """
    row = await look_at(run, job_id)
    return await missing(run, job_id) if row is None else explain(row, configured, path)


async def look_at(run: Run, job_id: int, zone: tzinfo | None = None) -> Row | None:
    """Return what `explain` is to explain, in times of a zone, by default the local one. None: no such job is seen."""
    rows = await run("inspect/explain_job", job_id=job_id, max_counted=MOST_COUNTED)
    if not rows:
        return None
    row: dict[str, Any] = dict(rows[0])
    row["now"] = row["now"].astimezone(zone)
    if row["is_limited"]:
        found = await run("inspect/explain_limits", job_id=job_id, max_counted=MOST_COUNTED)
        row["limits"] = dict(found[0]) if found else None
    if row["due_at"] is None:
        found = await run("inspect/explain_dependencies", job_id=job_id, max_counted=MOST_CHILDREN)
        row["dependencies"] = found[0] if found else None
    return row


def explain(row: Row, configured: Collection[str] = (), path: Path | None = None) -> Reason:
    """Return why the job of a row of `look_at` is as it is."""
    status = Status(row["status"])
    if row["is_running"]:
        return running(row)
    if status.is_final:
        return ended(row)
    name = name_reason(row, configured, path)
    if status is Status.HOLD:
        return _held(row, name)
    if status is Status.QUEUED:
        return _queued(row, name)
    return name or ready(row)


async def missing(run: Run, job_id: int) -> Reason:
    """Return why no job with this id is seen."""
    (found,) = await run("inspect/explain_missing_job")
    last = found["last_id"] or 0
    if not 0 < job_id <= last:
        said = f"there is no job {job_id}: the last id that was given out is {last}"
    elif found["writers"]:
        writers = ", ".join(one_line(each) for each in found["writers"])
        said = (
            f"there is no job {job_id}: its INSERT may not be committed yet, as transactions are open that have "
            f"written jobs: {writers}; else it was undone, or the job was deleted"
        )
    else:
        said = (
            f"there is no job {job_id}: its INSERT was undone, or the job was deleted, perhaps by [retention]"
        )
    return Reason("missing", said, "job_does_not_start")


def _held(row: Row, name: Reason | None) -> Reason:
    if row["hold_reason"]:
        topic = "nobody_serves_it" if name else topic_of(row["hold_reason"])
        return Reason("held", f"on Hold: {one_line(row['hold_reason'])}", topic)
    said = f"on Hold since {ordered(row)}, until it is released: asyncjobd release {row['id']}"
    return Reason("hold", said + _then(name), "statuses")


def _queued(row: Row, name: Reason | None) -> Reason:
    due, now = row["due_at"], row["now"]
    if due is None:
        said = explain_dependencies(row["dependencies"], now)
        return Reason("jobs", said + _then(name), "jobs_wait_for_jobs")
    if due > now:
        delay = explain_delay(row)
        said = f"due {full_time(due, now)}{delay}: asyncjobd run-now {row['id']} starts it at once"
        return Reason("due", said + _then(name), "retry" if delay else "statuses")
    if name is not None:
        return name
    if row["locked_by"]:
        return Reason("locked", f"its row is locked by {row['locked_by']}", "row_is_locked")
    return Reason(
        "promotion", f"due since {full_time(due, now)}: a daemon is about to make it ready", "notifications"
    )


def _then(name: Reason | None) -> str:
    return "" if name is None else f"; then it would wait on: {name.sentence}"
