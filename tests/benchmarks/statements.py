"""The statements of a drain, with the arguments that they have where handlers answer success."""

from typing import Any

from asyncjobd.postgres.database import Database

# columns of jobs/record_outcomes that are null where a handler has answered success
USUAL = (
    "outcomes", "statuses", "on_grid", "delays", "results", "messages", "tracebacks", "progress", "progress_messages",
    "logs",
)  # fmt: skip


def claim(
    database: Database, name: str, token: int, rows: int, place: tuple[int, int], after_key: str | None = None
) -> tuple[Any, ...]:
    """Return the query that claims rows behind a place (priority and id), and its arguments.

    `after_key`: of an action with limits, behind this key.
    """
    return database.query(
        "jobs/claim_jobs", daemon_id=1, claim_token=token, wanted=rows, names=[name], retry_intervals=[None],
        max_execution_counts=[None], are_recursive=[None], timeouts=[None], after_priorities=[place[0]],
        after_ids=[place[1]], widths=[rows], occupied=[None], width=rows, memory=2**25, reads_params=True, left_alone=[],
        is_limited=after_key is not None, is_ahead=False, after_key=after_key or "", only_id=None,
    )  # fmt: skip


def record(database: Database, token: int, ids: list[int]) -> tuple[Any, ...]:
    """Return the query that records the success of claimed rows, and its arguments."""
    return database.query(
        "jobs/record_outcomes", job_ids=ids, claim_tokens=[token] * len(ids), ages=[0.0] * len(ids),
        **dict.fromkeys(USUAL),
    )  # fmt: skip
