"""A feature of asyncjobd that some worlds use: a client that acts, and what must hold for it."""

import asyncio
from collections.abc import Callable, Iterable
from random import Random
from typing import Any, ClassVar

from tests.faults.client import Client
from tests.faults.ledger import Execution, Ledger
from tests.simulation.plan import Plan
from tests.simulation.server import Server

PROMPT_SECONDS = 2.5  # that a row is due before it starts, where nothing is wrong and slots are free
OFTEN_FREE = 20  # slots that these worlds never use up
ENDS_LATE = {
    "blocks_loop",
    "swallows_cancellation",
    "sleeps_in_thread",
}  # handlers that no cancellation ends at once
LOOK_SECONDS = 0.5


class Feature:
    """The actor of a feature. What a subclass leaves out does nothing."""

    name: ClassVar[str]

    def __init__(self, new_client: Callable[[str], Client], plan: Plan, random: Random) -> None:
        """`new_client` returns a client of this name."""
        self._new_client = new_client
        self._client = new_client(self.name)
        self._plan = plan
        self._random = random
        self.late: set[str] = set()  # kinds of jobs that may start later than they are due
        self.complaints: list[str] = []

    async def run(self, seconds: float) -> None:
        """Act again and again, for so many seconds."""

    async def _next_act(self, end: float, pace: float, random: Random | None = None) -> bool:
        """Wait for the next act, on average `pace` seconds, by `random` or the actor's own chance. Return False once
        it is `end` by the loop's clock.
        """
        if asyncio.get_running_loop().time() >= end:
            return False
        await asyncio.sleep((random or self._random).expovariate(1 / pace))
        return True

    async def let_end(self) -> None:
        """Take back what would keep jobs from their end."""

    async def let_start(self) -> None:
        """Take back what would keep a new job from its start."""

    async def _watch_starts(self, startable: str, *arguments: Any) -> None:
        """Complain of jobs that may start and do not, where daemons have slots for them and nothing is wrong.

        `startable` returns for each the kind, and the number of the last claim of that kind. Its first argument:
        whether slots are often free; else it returns those that nothing else runs beside.
        """
        plan, loop = self._plan, asyncio.get_running_loop()
        if not plan.is_calm or "blocks_loop" in plan.kinds:
            return
        is_often_free = plan.slots >= OFTEN_FREE
        since: dict[tuple[str, int | None], float] = {}  # when nothing more was claimed of a kind
        while True:
            rows = await self._client.run(
                lambda db: db.fetch(startable, is_often_free, *arguments), begins=False
            )
            since = {key: since.get(key, loop.time()) for key in dict.fromkeys(map(tuple, rows))}
            for (kind, _), begun in since.items():
                if loop.time() - begun > PROMPT_SECONDS:
                    self.complaints.append(
                        f"a job of {kind} may start, and none has for {PROMPT_SECONDS:g} s"
                    )
                    return
            await asyncio.sleep(LOOK_SECONDS)

    def violations(self, ledger: Ledger, server: Server, stalled: set[str]) -> Iterable[str]:
        """Return what is wrong, in a world whose server has forgotten nothing. `stalled`: lives that could not act."""
        return ()


def honest(ledger: Ledger, stalled: set[str]) -> list[Execution]:
    """Return the executions but those that go on without their claim."""
    blocked = {each.life for each in ledger.executions if ledger.kinds.get(each.job) == "blocks_loop"}
    return [
        each for each in ledger.executions
        if each.job in ledger.jobs and not (
            ledger.kept.get((each.job, each.number)) == "lost"
            and (each.life in stalled | blocked or ledger.kinds.get(each.job) in ENDS_LATE))
    ]  # fmt: skip
