"""Jobs whose name no daemon has ever served go on Hold, with the reason, and go on once a daemon serves them."""

import asyncio
import difflib
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import structlog

from asyncjobd.engine.quarantine import Quarantine
from asyncjobd.engine.wake import Wake
from asyncjobd.postgres.session import Session

BATCH = 1000  # rows
NAMES = 100  # that are looked at in one go
MOST_NAMED = 5  # of the known names in a reason
MOST_GUESSES = 100  # names a look for which a similar one is searched

Write: TypeAlias = Callable[[Sequence[int]], Awaitable[int]]

log = structlog.get_logger("asyncjobd.unserved")


class UnknownNames:
    def __init__(
        self,
        session: Session,
        quarantine: Quarantine,
        served: list[str],
        grace: float,
        interval: float,
        released: Callable[[], None],
    ) -> None:
        self._session = session
        self._quarantine = quarantine
        self._served = served
        self._wake = Wake()
        self._grace = grace
        self._interval = interval
        self._released = released

    def serve(self, served: list[str]) -> None:
        self._served = served
        self._wake.set()

    async def run(self) -> None:
        while True:
            if released := await self._in_batches(
                self._release, "upkeep/find_known_jobs", served_names=self._served
            ):
                self._released()
                log.info("jobs.released", count=released, reason="their names are served now")
            await self._hold()
            await self._wake.wait(self._interval)

    async def _release(self, ids: Sequence[int]) -> int:
        return len(await self._session.run("upkeep/release_known_jobs", job_ids=ids))

    async def _hold(self) -> None:
        known = [row["name"] for row in await self._session.run("upkeep/list_known_names")]
        last: str | None = ""
        guesses = MOST_GUESSES
        while last is not None:
            (row,) = await self._session.run("upkeep/find_unknown_names", after_name=last, limit=NAMES)
            for job_name in row["unknown"]:
                await self._hold_name(job_name, await _advice(job_name, known if guesses > 0 else []))
                guesses -= 1
            last = row["last"] if row["looked"] == NAMES else None

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
            log.error(
                "jobs.held", job_name=job_name, count=held, reason=f"no daemon serves {job_name!r}; {advice}"
            )

    async def _in_batches(self, write: Write, find: str, **arguments: object) -> int:
        """Write what the query finds, in batches, and return how many rows were written."""
        total, written = 0, BATCH
        while written:
            rows = await self._session.run(
                find, **arguments, limit=BATCH, left_alone=self._quarantine.left_alone
            )
            written = await self._quarantine.write([row["id"] for row in rows], write)
            total += written
        return total


async def _advice(job_name: str, known: list[str]) -> str:
    guess = await asyncio.to_thread(
        difflib.get_close_matches, job_name, known, 1
    )  # it takes long with many names
    if guess:
        return f"did you mean {guess[0]!r}?"
    more = f" and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
    return (
        f"known are: {', '.join(known[:MOST_NAMED])}{more}"
        if known
        else "see `asyncjobd status` for those that are known"
    )
