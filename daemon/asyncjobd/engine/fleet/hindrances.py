"""What hinders this daemon, which its heartbeat publishes for `status`, `doctor` and `show`.

The heartbeat's thread reads it, as a blocked event loop could not.
"""

import asyncio
import sys
import sysconfig
import threading
from concurrent.futures import Executor
from types import FrameType

from asyncjobd.actions.catalog import ActionCatalog
from asyncjobd.actions.threads import HandlerThreads
from asyncjobd.engine.jobs.slots import Slots
from asyncjobd.engine.memory import memory_share
from asyncjobd.postgres.link import Link
from asyncjobd.postgres.pool import Pool
from asyncjobd.postgres.text import short_ascii

NEARLY_ALL = 0.8  # of the memory
LONG_BLOCK = 1.0  # seconds; the event loop owes a turn for longer only where something blocks it
_LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib"))


class Hindrances:
    """Reads what hinders the daemon. To be created in the thread of its event loop."""

    def __init__(
        self,
        link: Link,
        catalog: ActionCatalog,
        slots: Slots,
        threads: Executor | None,
        transactions: Pool,
    ) -> None:
        self._link = link
        self._catalog = catalog
        self._slots = slots
        self._threads = threads if isinstance(threads, HandlerThreads) else None
        self._transactions = transactions
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._taken: dict[str, int] = {}  # how often each resource was, at the last look

    def read(self, blocked_for: float) -> dict[str, str]:
        """Return what hinders the daemon, by kind, in words.

        Args:
            blocked_for: The seconds for which the event loop has owed a turn.
        """
        found = {
            "away": self._away(),
            "blocked": self._blocked(blocked_for),
            "memory": _memory(),
            "refused": f"a changed configuration was refused: {refusal}" if (refusal := self._catalog.refusal) else "",
            "threads": self._used_up("threads", self._threads),
            "transactions": self._used_up("transactions", self._transactions),
        }  # fmt: skip
        # a heartbeat must not be refused for a name in an error
        return {kind: short_ascii(said) for kind, said in found.items() if said}

    def _away(self) -> str:
        return f"it has had no new database session {away}" if (away := self._link.away) else ""

    def _blocked(self, seconds: float) -> str:
        if seconds < LONG_BLOCK:
            return ""
        return f"event loop is blocked for {seconds:.0f}s by {self._job()}{self._place()}"

    def _job(self) -> str:
        """Return the job whose handler has the event loop."""
        task = asyncio.current_task(self._loop)
        for execution in list(self._slots.running.values()):
            if task is not None and execution.task is task:
                return f"job {execution.context.job.id} of {execution.context.job.job_name}"
        return "no job of this daemon"

    def _place(self) -> str:
        """Return the line of the innermost frame that is of no library."""
        frame: FrameType | None = sys._current_frames().get(self._thread)
        innermost = frame
        while frame is not None and frame.f_code.co_filename.startswith(_LIBRARIES):
            frame = frame.f_back
        frame = frame or innermost
        return "" if frame is None else f", {frame.f_code.co_filename} line {frame.f_lineno}"

    def _used_up(self, kind: str, resource: HandlerThreads | Pool | None) -> str:
        """Return that jobs wait for a resource of which nobody got any since the last look."""
        if resource is None:
            return ""
        before, self._taken[kind] = self._taken.get(kind), resource.taken
        if not resource.waiting or before != resource.taken:
            return ""
        return (
            f"all {resource.size} [daemon] {kind} are in use, and {resource.waiting} of its jobs wait for one"
        )


def _memory() -> str:
    try:
        taken, limit = memory_share()
    except OSError:  # such as no file descriptor is left: the heartbeat must go on
        return ""
    if taken < NEARLY_ALL * limit:
        return ""
    return f"{taken / 1e6:,.0f} MB are taken of the {limit / 1e6:,.0f} MB of memory that it may have"
