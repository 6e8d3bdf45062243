"""The transition of a job after an execution. Clients' transitions are triggers of the schema (0001_schema.sql)."""

from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

from asyncjobd.job import Status
from asyncjobd.result import Outcome


@dataclass(frozen=True, slots=True)
class Transition:
    """The status that the row gets. A Queued one is due on its grid, or `after` a time.

    `after` None: in its retry_interval, with its back-off (asyncjob.retry_delay_of).
    """

    status: Status
    on_grid: bool = False
    after: timedelta | None = None


COMPLETED = Transition(Status.COMPLETED)
FAILED = Transition(Status.FAILED)
HANDED_BACK = Transition(Status.IN_PROGRESS)
NEXT_ON_GRID = Transition(Status.QUEUED, on_grid=True)
RETRY = Transition(Status.QUEUED)


def next_transition(
    outcome: Outcome, *, is_recursive: bool, is_last: bool, after: timedelta | None = None
) -> Transition:
    """Return what becomes of the job. `is_last`: its execution_count has reached max_execution_count.

    Raise ValueError for `lost`: the daemon that takes such a job back decides in rescue_jobs.sql.
    """
    match outcome:
        case Outcome.SUCCESS:
            return NEXT_ON_GRID if is_recursive else COMPLETED
        case Outcome.COMPLETED:
            return COMPLETED
        case Outcome.RETRY_LATER if not is_last:
            return Transition(Status.QUEUED, after=after)
        case Outcome.RETRY_LATER | Outcome.FAILED | Outcome.TIMEOUT if is_recursive:
            return NEXT_ON_GRID
        case Outcome.RETRY_LATER | Outcome.FAILED | Outcome.TIMEOUT:
            return FAILED if is_last else RETRY
        case Outcome.FATAL_ERROR:
            return FAILED
        case Outcome.STOPPED:
            return HANDED_BACK
        case Outcome.LOST:
            raise ValueError("the execution of a lost daemon has no outcome of its own")
        case _:
            assert_never(outcome)
