"""How failures of an action or a job are retried, in words."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from asyncjobd.monitoring.values import text
from asyncjobd.result import Outcome

RETRY_INTERVAL = timedelta(minutes=15)  # as claim_jobs.sql has it for what is null everywhere

Row = Mapping[str, Any]


def delays(row: Row, growth: str = "") -> str:
    """Return how long after a failure the retry comes, from retry_interval and the columns that change it.

    `growth`: by what the interval is multiplied. Default: by the factor once more each time.
    """
    interval = text(row["retry_interval"] or RETRY_INTERVAL)
    if (row["retry_backoff"] or 1) != 1:
        interval += growth or f", each time x {row['retry_backoff']:g}"
    if row["retry_interval_max"] is not None:
        interval += f", at most {text(row['retry_interval_max'])}"
    if row["retry_jitter"]:
        interval += f", up to {row['retry_jitter']:.3g} of it earlier"
    return interval


def has_backoff(row: Row) -> bool:
    """Return whether a retry may come after another time than retry_interval."""
    return (
        (row["retry_backoff"] or 1) != 1 or row["retry_interval_max"] is not None or bool(row["retry_jitter"])
    )


def exceptions(row: Row) -> str:
    """Return which exceptions an action names; empty where it names none."""
    kinds = {"fatal": row["fatal_exceptions"], "retried": row["retried_exceptions"]}
    return "; ".join(f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names)


def explain_delay(row: Row) -> str:
    """Return why a job is due when it is, from its row of explain_job.sql; empty where no back-off made it so."""
    last = row["last_execution_status"]
    if last in {None, Outcome.SUCCESS, Outcome.COMPLETED} or row["due_at"] == row["schedule_time"]:
        return ""
    after = f", after an execution that ended as {last}"
    if not (row["is_backed_off"] and has_backoff(row)):
        return after
    growth = f" x {row['retry_backoff'] or 1:g}^{row['execution_count'] - 1}"
    return f"{after}; the delay of try {row['execution_count'] + 1} is {delays(row, growth)}"
