"""Handlers with something large in their frame when they end, and hooks around them."""

import asyncio
import gc
import sys
from contextlib import suppress
from typing import Any
from weakref import WeakSet

import msgspec

from asyncjobd import Client, Context, JobHandler, JobResult, Outcome, Proceed

NOWHERE = "postgresql://postgres@127.0.0.1:1/nowhere"


class Table(bytearray):
    """A bytearray whose end can be observed."""

    __hash__ = object.__hash__  # type: ignore[assignment]


tables: WeakSet[Table] = WeakSet()  # that are still there


def load(size: int = 1) -> Table:
    table = Table(size)
    tables.add(table)
    return table


def left() -> JobResult:
    """Count the tables that are still there without the garbage collector's help, and start a new count."""
    gc.disable()
    found = len(tables)
    tables.clear()
    return JobResult.success(result=found)


def in_thread(params: dict[str, Any], context: Context) -> JobResult:
    if params["end"] == "left":
        return left()
    table = load(params.get("size", 1))
    if params["end"] == "raises":
        raise ValueError(len(table))
    if params["end"] == "exits":
        sys.exit(len(table))
    if params["end"] == "stops_iteration":
        next(iter([]))
    return JobResult.success(result=len(table))


async def leaves_a_cycle(params: dict[str, int], context: Context) -> None:
    cycle: list[Any] = [load(params["size"])]
    cycle.append(cycle)


kept: list[bytes] = []


async def leaves_a_hole(params: dict[str, int], context: Context) -> None:
    """Keep a piece behind freed memory, so that malloc does not return that memory by itself."""
    rows = [bytes(100_000) for _ in range(params["size"] // 100_000)]
    kept.append(bytes(100_000))
    del rows


class ends(JobHandler[dict[str, Any]]):  # noqa: N801
    """A handler that ends as params["end"] says."""

    def set_params(self, raw: Any) -> None:
        self.params = raw
        if raw["end"] == "misfits":
            table = load()
            raise ValueError(len(table))

    async def execute(self) -> JobResult:
        if self.params["end"] == "left":
            return left()
        table = load()
        self.log.info("begun")
        result: JobResult = await getattr(self, self.params["end"])()
        del table
        return result

    async def raises(self) -> JobResult:
        raise ValueError

    async def exits(self) -> JobResult:
        sys.exit(1)

    async def blocks(self) -> JobResult:
        await asyncio.sleep(3600)
        return JobResult.success()

    async def raises_when_cancelled(self) -> JobResult:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        raise ValueError

    async def cancels_itself(self) -> JobResult:
        raise asyncio.CancelledError

    async def cannot_be_shown(self) -> JobResult:
        return JobResult.success(result=object())

    async def is_of_no_type(self) -> Any:
        return load()

    async def raises_in_its_transaction(self) -> JobResult:
        async with self.transaction() as connection:
            await connection.execute("select 1")
            raise ValueError

    async def raises_after_its_transaction(self) -> JobResult:
        async with self.transaction() as connection:
            await connection.execute("select 1")
        raise ValueError

    async def writes_what_is_refused(self) -> JobResult:
        async with self.transaction() as connection:
            await connection.execute("select 1 / 0")
        return JobResult.success()

    async def writes_and_is_not_done(self) -> JobResult:
        async with self.transaction() as connection:
            await connection.execute("select 1")
        return JobResult(Outcome.RETRY_LATER, traceback="of its own")

    async def holds_itself(self) -> JobResult:
        async with self.transaction() as connection:
            await connection.execute("update asyncjob.job set status = 'Hold' where id = $1", self.job.id)
        return JobResult.success()

    async def has_no_database(self) -> JobResult:
        async with Client.connect(NOWHERE) as client:
            await client.get(1)
        return JobResult.success()


async def around(context: Context, proceed: Proceed) -> JobResult:
    """Behave as params["hook"] says, with something large in the hook's own frame."""
    hook = msgspec.json.decode(context.job.params).get("hook")
    if hook is None:
        return await proceed()
    table = load()
    if hook == "fails_before":
        raise ConnectionError(len(table))
    if hook == "limits":
        async with asyncio.timeout(0.01):
            return await proceed()
    try:
        result = await proceed()
    finally:
        if hook == "fails_after":
            raise ConnectionError(len(table))
    if hook == "swallows":
        return JobResult.success()
    return result
