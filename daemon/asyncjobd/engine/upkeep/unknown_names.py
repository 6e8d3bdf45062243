"""Puts jobs on Hold whose name no daemon has ever served, and releases them once a daemon does."""

import asyncio
import difflib
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import structlog

from asyncjobd.actions.catalog import ActionCatalog
from asyncjobd.engine.quarantine import Quarantine
from asyncjobd.engine.signals import Signals
from asyncjobd.postgres.session import Session

MAX_BATCH = 1000  # rows
MAX_NAMES = 100  # unknown names that one statement finds
MAX_NAMED = 5  # known names in a reason
MAX_GUESSES = 100  # unknown names a look for which a similar known one is searched

Write: TypeAlias = Callable[[Sequence[int]], Awaitable[int]]

log = structlog.get_logger("asyncjobd.unknown_names")


class UnknownNames:
    def __init__(
        self,
        session: Session,
        quarantine: Quarantine,
        catalog: ActionCatalog,
        signals: Signals,
        *,
        grace: float,
        interval: float,
    ) -> None:
        """Look every `interval` seconds, and let a job wait `grace` seconds before it goes on Hold."""
        self._session = session
        self._quarantine = quarantine
        self._catalog = catalog
        self._signals = signals
        self._grace = grace
        self._interval = interval

    async def run(self) -> None:
        while True:
            served = self._catalog.served_names
            released = await self._in_batches(self._release, "upkeep/find_known_jobs", served_names=served)
            if released:
                self._signals.made_ready()
                log.info("jobs.released", count=released, reason="their names are served now")
            await self._hold()
            await self._signals.actions_replaced.wait(self._interval)

    async def _release(self, ids: Sequence[int]) -> int:
        return len(await self._session.run("upkeep/release_known_jobs", job_ids=ids))

    async def _hold(self) -> None:
        """Put the jobs on Hold whose names are unknown, page by page."""
        known: list[str] = []
        last: str | None = ""
        guesses = MAX_GUESSES
        while last is not None:
            (row,) = await self._session.run("upkeep/find_unknown_names", after_name=last, limit=MAX_NAMES)
            if row["unknown"] and not known:
                known = [row["name"] for row in await self._session.run("upkeep/list_known_names")]
            for job_name in row["unknown"]:
                await self._hold_name(job_name, await _advise(job_name, known if guesses > 0 else []))
                guesses -= 1
            last = row["last"] if row["looked"] == MAX_NAMES else None

    async def _hold_name(self, job_name: str, advice: str) -> None:
        async def hold(ids: Sequence[int]) -> int:
            rows = await self._session.run(
                "upkeep/hold_unknown_jobs", job_ids=ids, job_name=job_name, advice=advice
            )
            return len(rows)

        held = await self._in_batches(
            hold, "upkeep/find_unknown_jobs", job_name=job_name, grace_seconds=self._grace
        )
        if held:
            reason = f"no daemon serves {job_name!r}; {advice}"
            log.error("jobs.held", job_name=job_name, count=held, reason=reason)

    async def _in_batches(self, write: Write, find: str, **arguments: object) -> int:
        """Write what the query finds, in batches, and return how many rows were written."""
        total, written = 0, MAX_BATCH
        while written:
            rows = await self._session.run(
                find, **arguments, limit=MAX_BATCH, left_alone=self._quarantine.left_alone
            )
            written = await self._quarantine.write([row["id"] for row in rows], write)
            total += written
        return total


async def _advise(job_name: str, known: list[str]) -> str:
    """Return which of the known names may be meant. With many names this takes long, and so it has a thread."""
    if guess := await asyncio.to_thread(difflib.get_close_matches, job_name, known, 1):
        return f"did you mean {guess[0]!r}?"
    if not known:
        return "see `asyncjobd status` for those that are known"
    more = f" and {len(known) - MAX_NAMED} more" if len(known) > MAX_NAMED else ""
    return f"known are: {', '.join(known[:MAX_NAMED])}{more}"
