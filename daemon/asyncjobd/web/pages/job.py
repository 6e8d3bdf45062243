"""One job: why it is where it is, what it went through, what it was given and what it came to."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from asyncjobd.job import Status
from asyncjobd.monitoring.controls import CONTROLS
from asyncjobd.monitoring.overview import Row
from asyncjobd.monitoring.states import state_in_list
from asyncjobd.monitoring.units import duration
from asyncjobd.monitoring.values import text
from asyncjobd.monitoring.why.answer import explain, look_at, missing
from asyncjobd.monitoring.why.reason import Reason
from asyncjobd.web.json_text import Token, laid_out, write_only
from asyncjobd.web.page import LIVE, Asked, Model, NotFound, Page
from asyncjobd.web.text import MOST_SHOWN

MOST_TRIES = 50
MOST_OF_LOG = 20_000  # characters, of each try
MOST_RELATIVES = 8
COLUMNS = (
    "schedule_time", "priority", "retry_interval", "retry_backoff", "retry_interval_max", "retry_jitter",
    "max_execution_count", "is_recursive", "timeout", "unique_key", "debounce_key", "once_key", "limit_key",
    "traceparent", "waits_for_children", "when_failed",
)  # fmt: skip


class Moment(NamedTuple):
    """Something that happened to a job, or that is to happen."""

    at: datetime
    words: str


class Value(Model):
    """A value of a row. `is_cut`: there is more of it, to be downloaded."""

    name: str
    tokens: list[Token]
    is_cut: bool = False


class Try(Model):
    """An execution that has ended. `is_log_cut`: there is more of its log before what is shown."""

    status: str
    daemon: str | None
    started_at: datetime | None
    finished_at: datetime | None
    took: str
    message: str | None
    traceback: str | None
    log: str
    is_log_cut: bool


class Relative(Model):
    """Another job that has to do with this one. `relation`: parent, needed or child."""

    relation: str
    id: int
    state: str


class JobModel(Model):
    """A job. `orders`: what may be ordered now, by their names in CONTROLS."""

    id: int
    job_name: str
    status: str
    state: str
    reason: Reason
    progress: float | None
    progress_message: str | None
    daemon: str | None
    daemon_host: str | None
    orders: list[str]
    timeline: list[Moment]
    tries: list[Try]
    more_tries: int
    values: list[Value]
    relatives: list[Relative]
    more_needed: int
    columns: dict[str, str]
    execution_count: int
    max_execution_count: int | None
    created_by: str


async def job(asked: Asked) -> JobModel:
    """Look at one job. Raise NotFound."""
    job_id = asked.path["job_id"]
    rows = await asked.fetch(
        "inspect/show_job", job_id=job_id, most=MOST_SHOWN + 1, most_of_log=MOST_OF_LOG + 1
    )
    waits = await look_at(asked.fetch, job_id, UTC)
    if not rows or waits is None:
        raise NotFound((await missing(asked.fetch, job_id)).sentence)
    executions = await asked.fetch(
        "inspect/list_last_executions", job_id=job_id, limit=MOST_TRIES, most_of_log=MOST_OF_LOG + 1
    )
    relatives = await asked.fetch("inspect/list_relatives", job_id=job_id, limit=MOST_RELATIVES)
    row = dict(rows[0])
    return _model(row, explain(waits), executions, relatives, asked.hide)


def _model(
    row: Row, reason: Reason, executions: Sequence[Any], relatives: Sequence[Any], hide: Sequence[str]
) -> JobModel:
    hidden = (*hide, *write_only(row["params_schema"]))
    is_kept = bool(executions) and executions[0]["number"] == row["execution_total"]
    tries = [*([] if is_kept else _last(row)), *map(_try, executions)]
    needed = sum(each["relation"] == "needed" for each in relatives)
    return JobModel(
        title=f"{row['job_name']} {row['id']}",
        id=row["id"],
        job_name=row["job_name"],
        status=row["status"],
        state=state_in_list(row),
        reason=reason,
        progress=row["progress"],
        progress_message=row["progress_message"],
        daemon=row["daemon"],
        daemon_host=row["daemon_host"],
        orders=orders_of(row),
        timeline=_timeline(row, tries),
        tries=tries,
        more_tries=max(row["execution_total"] - len(tries) - row["is_running"], 0),
        values=list(_values(row, hidden)),
        relatives=[
            Relative(
                title=each["job_name"], relation=each["relation"], id=each["id"], state=state_in_list(each)
            )
            for each in relatives
        ],
        more_needed=max((row["needed"] or 0) - needed, 0),
        columns={name: text(row[name], row["now"]) for name in COLUMNS if row[name] is not None},
        execution_count=row["execution_count"],
        max_execution_count=row["max_execution_count"],
        created_by=row["created_by"],
    )


def orders_of(row: Row) -> list[str]:
    """Return what somebody may order a job to do, as it is now."""
    status = Status(row["status"])
    useless = {"hold": status is Status.HOLD, "run-now": status is Status.IN_PROGRESS}
    return [
        name for name, control in CONTROLS.items()
        if status in control.only_from and not useless.get(name)
    ]  # fmt: skip


def _last(row: Row) -> list[Try]:
    """Return the last execution that has ended, where the row has it."""
    if row["last_execution_status"] is None or row["is_running"] or row["last_execution_time"] is None:
        return []
    return [
        _try(
            row
            | {
                "status": row["last_execution_status"],
                "finished_at": row["last_execution_time"],
                "daemon": None,
            }
        )
    ]


def _try(row: Any) -> Try:
    began, ended, log = row["started_at"], row["finished_at"], row["log"] or ""
    return Try(
        title="",
        status=row["status"],
        daemon=row["daemon"],
        started_at=began,
        finished_at=ended,
        took=duration((ended - began).total_seconds()) if began and ended else "",
        message=row["message"],
        traceback=row["traceback"],
        log=log[-MOST_OF_LOG:],
        is_log_cut=len(log) > MOST_OF_LOG,
    )


def _timeline(row: Row, tries: Sequence[Try]) -> list[Moment]:
    """Return what happened, and what is to happen, in the order of time."""
    moments = [Moment(row["created_at"], "inserted")]
    for each in tries:
        if each.finished_at is not None:
            ran = f" after {each.took}" if each.took else ""
            moments.append(Moment(each.finished_at, f"{each.status}{ran}"))
    if row["ordered_at"] is not None:
        moments.append(Moment(row["ordered_at"], f"ordered by {row['ordered_by']}"))
    if row["finished_at"] is not None and row["finished_at"] not in {moment.at for moment in moments}:
        moments.append(Moment(row["finished_at"], row["status"]))
    if row["is_running"]:
        moments.append(Moment(row["started_at"], f"runs, try {row['execution_count']}"))
    elif row["status"] == Status.QUEUED and row["due_at"] is not None:
        moments.append(Moment(row["due_at"], "due"))
    elif row["status"] == Status.IN_PROGRESS:
        moments.append(Moment(row["due_at"], "ready"))
    return sorted(moments, key=lambda moment: moment.at)[-12:]


def _values(row: Row, hidden: Sequence[str]) -> Any:
    for name in ("params", "result"):
        written = row[name]
        if written is not None:
            cut = written[:MOST_SHOWN]
            yield Value(title=name, name=name, tokens=laid_out(cut, hidden), is_cut=len(written) > MOST_SHOWN)
        elif name == "params" or row["has_result"]:
            yield Value(title=name, name=name, tokens=[Token("", "more than is shown here")], is_cut=True)
    for name in ("message", "traceback"):
        written = row[name]
        if written:
            yield Value(
                title=name,
                name=name,
                tokens=[Token("", written[:MOST_SHOWN])],
                is_cut=len(written) > MOST_SHOWN,
            )


PAGE = Page("/jobs/{job_id:job}", "job", job, LIVE)
