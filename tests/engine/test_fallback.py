"""What is looked for without a notification, and how often."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import pytest

from asyncjobd.engine.signals import Signals
from asyncjobd.engine.wakeup.fallback import Fallback
from tests.support.daemon import DEADLINE

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def running(signals: Signals, held: asyncio.Event) -> AsyncIterator[None]:
    task = asyncio.create_task(Fallback(signals, 0.02, held).run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def round_ended(signals: Signals) -> bool:
    """Wait for the second half of a round, and return whether its first half looked for rare changes."""
    assert await signals.stop_requested.wait(DEADLINE)
    was_rare = signals.orphans.is_set
    signals.orphans.clear()
    return was_rare


async def test_rare_changes_are_looked_for_in_every_other_round() -> None:
    signals, held = Signals(), asyncio.Event()
    held.set()
    async with running(signals, held):
        rounds = [await round_ended(signals) for _ in range(4)]
    assert rounds == [True, False, True, False]


class Lease(asyncio.Event):
    """Tells when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.awaited = asyncio.Event()

    async def wait(self) -> Literal[True]:
        self.awaited.set()
        return await super().wait()


async def test_rare_changes_are_looked_for_once_the_lease_is_held_again() -> None:
    signals, held = Signals(), Lease()
    held.set()
    async with running(signals, held):
        assert await round_ended(signals)
        held.clear()
        held.awaited.clear()
        await asyncio.wait_for(held.awaited.wait(), DEADLINE)
        held.set()
        assert await round_ended(signals)
