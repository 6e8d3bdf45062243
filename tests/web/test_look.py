"""A look is taken once for all who look, and ends when nobody does."""

import asyncio
from time import monotonic

import pytest

from asyncjobd.web import look
from asyncjobd.web.look import Looks

pytestmark = pytest.mark.anyio

PACE = 0.01


class Counter:
    """Something to look at. `failures`: how many looks fail before one succeeds."""

    def __init__(self, failures: int = 0) -> None:
        self.looks = 0
        self._failures = failures

    async def see(self) -> int:
        self.looks += 1
        if self.looks <= self._failures:
            raise OSError("away")
        return self.looks


async def test_many_viewers_share_a_look() -> None:
    looks, counter = Looks(), Counter()
    seen = await asyncio.gather(*(looks.seen("key", counter.see, 3600) for _ in range(50)))
    assert {each.model for each in seen} == {1}
    await looks.close()


async def test_looks_of_other_keys_are_apart() -> None:
    looks, one, other = Looks(), Counter(), Counter()
    await looks.seen("one", one.see, 3600)
    await looks.seen("other", other.see, 3600)
    assert (one.looks, other.looks) == (1, 1)
    await looks.close()


async def test_look_is_renewed_while_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "MOST_TIME", 1.0)
    looks, counter = Looks(), Counter()
    async with asyncio.timeout(5):
        while (await looks.seen("key", counter.see, PACE)).model < 3:
            await asyncio.sleep(PACE)
    await looks.close()


async def test_slow_look_is_renewed_within_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "MOST_TIME", 1e-9)
    monkeypatch.setattr(look, "LONGEST_PAUSE", PACE)
    looks, counter = Looks(), Counter()
    async with asyncio.timeout(5):
        while (await looks.seen("key", counter.see, PACE)).model < 4:
            await asyncio.sleep(PACE)
    await looks.close()


async def test_looks_come_less_often_where_all_together_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "MOST_TIME", 1.0)
    looks, quick, slow = Looks(), Counter(), Counter()

    async def see_slowly() -> int:
        await asyncio.sleep(3 * PACE)
        return await slow.see()

    async with asyncio.timeout(60):
        while slow.looks < 4:  # from the second on it is known how long they take
            await looks.seen("slow", see_slowly, PACE)
            await asyncio.sleep(PACE)
    before = monotonic()
    async with asyncio.timeout(60):
        while quick.looks < 4:
            await looks.seen("quick", quick.see, PACE)
            await asyncio.sleep(PACE)
    assert (
        monotonic() - before > 2 * 3 * PACE / look.MOST_TIME_OF_ALL
    )  # three pauses, of which the first is short
    await looks.close()


async def test_look_ends_when_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "UNSEEN_SECONDS", 0.0)
    looks, counter = Looks(), Counter()
    await looks.seen("key", counter.see, PACE)
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "look key"))
    assert counter.looks == 1


async def test_order_makes_all_look_anew() -> None:
    looks, counter = Looks(), Counter()
    assert (await looks.seen("key", counter.see, 3600)).model == 1
    looks.renew()
    async with asyncio.timeout(5):
        assert (await looks.seen("key", counter.see, 3600)).model == 2
    await looks.close()


async def test_failure_reaches_who_looks_and_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "FAILED_SECONDS", PACE)
    looks, counter = Looks(), Counter(failures=1)
    with pytest.raises(OSError, match="away"):
        await looks.seen("key", counter.see, 3600)
    async with asyncio.timeout(5):
        while counter.looks < 2:
            await asyncio.sleep(PACE)
        assert (await looks.seen("key", counter.see, 3600)).model == 2
    await looks.close()


async def test_page_is_drawn_once_for_each_key() -> None:
    seen = look.Seen(1)
    drawn: list[int] = []

    def draw(model: int) -> str:
        drawn.append(model)
        return str(model)

    assert seen.drawn("a", draw) == seen.drawn("a", draw)
    assert seen.drawn("b", draw)[0] == "1"
    assert drawn == [1, 1]
