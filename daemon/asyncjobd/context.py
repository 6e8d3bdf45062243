"""One execution, as its handler sees it."""

import asyncio
from collections.abc import Callable, Generator
from contextvars import ContextVar
from typing import Any

import structlog

from asyncjobd.client import Client
from asyncjobd.job import ClaimedJob

current_context: ContextVar["Context"] = ContextVar("asyncjobd_context")

Report = Callable[["Context", float, str | None], None]


class Context:
    """The job that runs, and what its handler may tell about it meanwhile."""

    __slots__ = ("_report", "client", "job", "lease")

    def __init__(self, job: ClaimedJob, lease: int, report: Report, client: Client) -> None:
        self.job = job
        self.lease = lease
        self.client = client
        self._report = report

    def progress(self, fraction: float, message: str | None = None) -> "Checkpoint":
        """Show how far the job is, from 0 to 1 (what lies outside is cut). Reports are coalesced: the last one counts,
        and is in the row within half a second.

        Await it in a coroutine, so that others get their turn; a handler in a thread just calls it.
        """
        self._report(self, min(1.0, max(0.0, fraction)), message)
        return CHECKPOINT

    @property
    def log(self) -> Any:
        """A structlog logger whose lines carry job_id, job_name and execution_count."""
        job = self.job
        return structlog.get_logger("asyncjobd.handler").bind(
            job_id=job.id, job_name=job.job_name, execution_count=job.execution_count
        )


class Checkpoint:
    """Awaited, it gives the other coroutines a turn; left alone, it is nothing."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, None]:
        return asyncio.sleep(0).__await__()


CHECKPOINT = Checkpoint()
