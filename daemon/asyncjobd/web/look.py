"""What is on a page, read again and again for as long as somebody looks at it, once for all who do."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic
from typing import Generic, TypeVar

Model = TypeVar("Model")

UNSEEN_SECONDS = 5.0  # after the last question a look ends
MOST_TIME = 0.02  # the share of the time that a look may take
MOST_TIME_OF_ALL = 0.05  # and that all looks together may take
LONGEST_PAUSE = 10.0  # seconds; a slow look comes as often as that, as people look when the database is slow
FAILED_SECONDS = 2.0  # until the next try, or longer where one takes long
LONGEST_FAILED_SECONDS = 30.0


class Seen(Generic[Model]):
    """What a look has seen, and the parts of pages that were made of it."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.at = datetime.now(UTC)
        self._drawn: dict[Hashable, tuple[str, str]] = {}

    def drawn(self, key: Hashable, draw: Callable[[Model], str]) -> tuple[str, str]:
        """Return the part of a page, drawn once for each key, and a tag that changes with its text."""
        if key not in self._drawn:
            text = draw(self.model)
            self._drawn[key] = (text, hashlib.sha256(text.encode()).hexdigest()[:24])
        return self._drawn[key]


class Look(Generic[Model]):
    """One question to the database, which is asked again every `pace` seconds."""

    def __init__(
        self, see: Callable[[], Awaitable[Model]], pace: float, all_took: Callable[[], float]
    ) -> None:
        """`all_took`: returns the seconds that one round of all looks takes."""
        self._see = see
        self._pace = pace
        self._all_took = all_took
        self._last_took = 0.0  # seconds
        # In seconds, the shorter of the last two, so that one that is slow by chance changes nothing
        self.took = 0.0
        self._round = 0  # the answer to an earlier one is out of date
        self._seen: Seen[Model] | None = None
        self._failure: Exception | None = None
        self._looked = asyncio.Event()
        self._hurried = asyncio.Event()
        self.asked_at = monotonic()

    async def seen(self) -> Seen[Model]:
        """Return what was seen last. Raise what the last look has raised."""
        self.asked_at = monotonic()
        await self._looked.wait()
        if self._seen is None:
            assert self._failure is not None
            raise self._failure
        return self._seen

    def renew(self) -> None:
        """Forget what was seen: somebody has changed it."""
        self._round += 1
        self._looked.clear()
        self._hurried.set()

    async def run(self) -> None:
        """Look until nobody asks any more."""
        while self._is_watched:
            self._hurried.clear()
            pause = await self._look()
            until = monotonic() + pause
            while (left := until - monotonic()) > 0 and not self._hurried.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, UNSEEN_SECONDS)):
                        await self._hurried.wait()
                if not self._is_watched:
                    return

    @property
    def _is_watched(self) -> bool:
        """True until nobody has asked for UNSEEN_SECONDS after a look."""
        return not self._looked.is_set() or monotonic() - self.asked_at < UNSEEN_SECONDS

    async def _look(self) -> float:
        """Look once, and return the seconds until the next time."""
        began, this_round = monotonic(), self._round
        try:
            seen = Seen(await self._see())
        except Exception as error:
            if this_round == self._round:
                self._seen, self._failure = None, error
                self._looked.set()
            return min(max(FAILED_SECONDS, (monotonic() - began) / MOST_TIME), LONGEST_FAILED_SECONDS)
        if this_round == self._round:
            self._seen = seen
            self._looked.set()
        self._last_took, took_before = monotonic() - began, self._last_took
        self.took = min(self._last_took, took_before)
        fair = max(self.took / MOST_TIME, self._all_took() / MOST_TIME_OF_ALL)
        return max(self._pace, min(fair, LONGEST_PAUSE))


class Looks:
    """The looks that somebody looks at now, each by a key."""

    def __init__(self) -> None:
        self._looks: dict[Hashable, tuple[Look[object], asyncio.Task[None]]] = {}

    async def seen(self, key: Hashable, see: Callable[[], Awaitable[Model]], pace: float) -> Seen[Model]:
        """Return what the look of this key has seen last; it begins where there is none."""
        if key not in self._looks or self._looks[key][1].done():
            look: Look[Model] = Look(see, pace, self._all_took)
            task = asyncio.create_task(look.run(), name=f"look {key}")
            self._looks[key] = (look, task)  # type: ignore[assignment]
            task.add_done_callback(lambda task: self._forget(key, task))
        return await self._looks[key][0].seen()  # type: ignore[return-value]

    def _all_took(self) -> float:
        return sum(look.took for look, _ in self._looks.values())

    def _forget(self, key: Hashable, task: "asyncio.Task[None]") -> None:
        if key in self._looks and self._looks[key][1] is task:
            del self._looks[key]

    def renew(self) -> None:
        """Let all look anew, as somebody has given an order."""
        for look, _ in self._looks.values():
            look.renew()

    async def close(self) -> None:
        """End all looks."""
        tasks = [task for _, task in self._looks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
