"""Jobs whose name no daemon has ever served go on Hold, with the reason, and go on once a daemon serves them."""

import difflib
from collections.abc import Callable

import structlog

from asyncjobd.engine.wake import Wake
from asyncjobd.postgres.session import Session

BATCH = 1000

log = structlog.get_logger("asyncjobd.unserved")


class Unserved:
    def __init__(
        self, session: Session, served: list[str], grace: float, interval: float, released: Callable[[], None]
    ) -> None:
        self._session = session
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
            released = await self._in_batches("release_known", self._served)
            if released:
                self._released()
                log.info("jobs.released", count=released, reason="their names are served now")
            await self._hold()
            await self._wake.wait(self._interval)

    async def _hold(self) -> None:
        for row in await self._session.run("unknown_names"):
            reason = _reason(row["job_name"], row["known"])
            held = await self._in_batches("hold_unknown", row["job_name"], reason, self._grace)
            if held:
                log.error("jobs.held", job_name=row["job_name"], count=held, reason=reason)

    async def _in_batches(self, query: str, *arguments: object) -> int:
        total = 0
        while count := len(await self._session.run(query, *arguments, BATCH)):
            total += count
        return total


def _reason(job_name: str, known: list[str]) -> str:
    guess = difflib.get_close_matches(job_name, known, n=1)
    hint = f"did you mean {guess[0]!r}?" if guess else f"known are: {', '.join(known) or 'none'}"
    return f"no daemon serves {job_name!r}; {hint}"
