"""Handlers of every kind, good and bad."""

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
import time
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn, TypedDict

import msgspec
import pydantic
import structlog

from asyncjobd import Context, JobBuilder, JobHandler, JobResult
from asyncjobd.engine.jobs.recorder import Recorder
from asyncjobd.engine.jobs.runner import Runner
from asyncjobd.engine.wake import Wake


async def succeed(params: dict[str, Any], context: Context) -> JobResult:
    return JobResult.success("done", params or None)


async def answer(params: dict[str, Any], context: Context) -> JobResult:
    """The n-th execution answers the n-th of params["answers"], the last one for ever."""
    answers = params["answers"]
    name = answers[min(context.job.execution_total, len(answers)) - 1]
    if name == "exception":
        raise RuntimeError("as asked")
    if name == "timeout":
        await asyncio.sleep(3600)
    if name == "retry_soon":
        return JobResult.retry_later("soon", after=timedelta(milliseconds=60))
    result: JobResult = getattr(JobResult, name)(name)
    return result


seen_by: ContextVar[int | None] = ContextVar("seen_by", default=None)


async def leaves_a_variable(params: dict[str, Any], context: Context) -> JobResult:
    found = seen_by.get()
    seen_by.set(context.job.id)
    return JobResult.success(result=found)


async def cancels_itself_late(params: dict[str, Any], context: Context) -> JobResult:
    """It waits for nothing any more."""
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return JobResult.success()


async def naps(params: dict[str, float], context: Context) -> None:
    await asyncio.sleep(params["seconds"])


async def block(params: dict[str, Any], context: Context) -> NoReturn:
    while True:
        await asyncio.sleep(3600)


def block_in_thread(params: dict[str, str], context: Context) -> JobResult:
    """Until the file is there: nobody can cancel it."""
    while not Path(params["file"]).exists():
        time.sleep(0.01)
    return JobResult.success(threading.current_thread().name)


async def stubborn(params: dict[str, Any], context: Context) -> JobResult:
    """Swallows its first cancellation."""
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        await asyncio.sleep(3600)
    return JobResult.success()


class Address(msgspec.Struct):
    to: str
    copies: int = 1


class Point(TypedDict):
    x: int
    y: int


@dataclass
class Numbers:
    values: list[int]


class Weight(pydantic.BaseModel):
    grams: int = pydantic.Field(gt=0)


async def weighs(params: Weight, context: Context) -> JobResult:
    return JobResult.success(f"{params.grams} g")


async def typed(params: Point, context: Context) -> JobResult:
    return JobResult.success(str(params["x"] + params["y"]))


def sums(params: Numbers, context: Context) -> JobResult:
    return JobResult.success(str(sum(params.values)))


class typed_class(JobHandler[Address]):  # noqa: N801
    async def execute(self) -> JobResult:
        return JobResult.success(f"{self.params.to} x {self.params.copies}")


class checked(JobHandler[Address]):  # noqa: N801
    def set_params(self, raw: Any) -> None:
        super().set_params(raw | {"to": raw["to"].lower()})
        if "@" not in self.params.to:
            raise ValueError(f"{self.params.to!r} is not an address")

    async def execute(self) -> JobResult:
        return JobResult.success(self.params.to)


async def nonsense(params: dict[str, Any], context: Context) -> Any:
    return 42


async def exits(params: dict[str, Any], context: Context) -> NoReturn:
    sys.exit(3)


def exits_in_thread(params: dict[str, Any], context: Context) -> NoReturn:
    sys.exit(4)


def stops_iteration(params: dict[str, Any], context: Context) -> object:
    return next(iter([]))


async def untraceable(params: dict[str, Any], context: Context) -> NoReturn:
    raise SyntaxError("x", ("f", 1, 2, 3))  # type: ignore[arg-type]


async def answers_megabytes(params: dict[str, Any], context: Context) -> JobResult:
    return JobResult.success(result="x" * 5_000_000)


async def raises(params: dict[str, Any], context: Context) -> NoReturn:
    raise KeyError("the reason")


def sleeps(params: dict[str, float], context: Context) -> JobResult:
    time.sleep(params["seconds"])
    return JobResult.success()


async def unstorable(params: dict[str, Any], context: Context) -> JobResult:
    return JobResult.success("NUL \0 in text", {"text": "\0"})


async def unprintable(params: dict[str, Any], context: Context) -> JobResult:
    return JobResult.success("not JSON", object())


async def reports(params: dict[str, str], context: Context) -> JobResult:
    for step in range(100):
        await context.progress(step / 200, f"step {step}")
    while not Path(params["file"]).exists():
        await asyncio.sleep(0.01)
    return JobResult.failed("halfway") if "fails" in params else JobResult.success()


class fans_out(JobHandler[dict[str, int]]):  # noqa: N801
    async def execute(self) -> JobResult:
        jobs = [JobBuilder("succeed").set_params({"n": n}).build() for n in range(self.params["children"])]
        ids = await self.client.insert_many(jobs)
        return JobResult.success(result=ids)


async def cancels_itself(params: dict[str, Any], context: Context) -> NoReturn:
    raise asyncio.CancelledError


async def wrong_after(params: dict[str, Any], context: Context) -> JobResult:
    return JobResult.retry_later("when?", after="tomorrow")  # type: ignore[arg-type]


async def blocks_loop(params: dict[str, float], context: Context) -> None:
    time.sleep(params["seconds"])  # what nobody should do


async def writes(params: dict[str, Any], context: Context) -> JobResult:
    """Runs the SQL in its own transaction, waits for the file or for ever, and answers."""
    try:
        async with context.transaction() as connection:
            await connection.execute(params["sql"])
            if params.get("leave_by_exception"):
                raise KeyError("left")
    except KeyError:
        pass
    if "again" in params:
        async with context.transaction() as connection:
            await connection.execute(params["again"])
    while "file" in params and not Path(params["file"]).exists():
        await asyncio.sleep(0.01)
    if params.get("answer") == "exception":
        raise RuntimeError("as asked")
    result: JobResult = getattr(JobResult, params.get("answer", "success"))("answered")
    return result


async def writes_at_once(params: dict[str, Any], context: Context) -> None:
    """Two tasks of one handler ask for its transaction at the same time."""

    async def write(pause: float) -> None:
        async with context.transaction() as connection:
            await asyncio.sleep(pause)
            await connection.execute("insert into effect values (1)")

    await asyncio.gather(write(0.01), write(0.1))


left: set[asyncio.Task[None]] = set()


async def leaves_a_writer(params: dict[str, Any], context: Context) -> None:
    """A task that asks for the transaction when the handler has ended."""

    async def write() -> None:
        await asyncio.sleep(0.1)
        try:
            async with context.transaction() as connection:
                await connection.execute("insert into effect values (1)")
        except RuntimeError as error:
            context.log.info("writer.refused", reason=str(error))

    if params["has_begun"]:
        async with context.transaction():
            pass
    left.add(asyncio.create_task(write()))


async def shouts(params: dict[str, int], context: Context) -> NoReturn:
    text = "x" * params["characters"]
    context.progress(0.5, text)
    raise RuntimeError(text)


async def logs(params: object, context: Context) -> None:
    structlog.get_logger("mine").info("by structlog")
    logging.getLogger("a.library").warning("by %s", "logging")
    context.log.debug("by the context")


def logs_in_thread(params: object, context: Context) -> None:
    logging.getLogger("a.library").warning("in a thread")


async def chatters(params: dict[str, int], context: Context) -> None:
    """So many lines, evenly in so many seconds."""
    log = context.log
    began = time.monotonic()
    for number in range(params["lines"]):
        log.info("a line like any other, of the usual length, with a number in it", number=number)
        if number % 100 == 99:
            ahead = began + number / params["lines"] * params["seconds"] - time.monotonic()
            await asyncio.sleep(max(ahead, 0))


async def breaks_the_recorder(params: object, context: Context) -> None:
    """As a wake-up that is lost would."""
    gc.unfreeze()
    for each in gc.get_objects():
        if isinstance(each, Recorder):
            each._wake = Wake()


class GreetingOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    greeting: str
    times: int = 1


class Greets(JobHandler[dict[str, str]]):
    Options = GreetingOptions

    async def execute(self) -> JobResult:
        return JobResult.success(" ".join([self.options.greeting] * self.options.times + [self.params["to"]]))


async def fills(params: dict[str, int], context: Context) -> JobResult:
    return JobResult.success(result="x" * params["characters"])


async def kills_its_daemon(params: object, context: Context) -> NoReturn:
    """Once all that were claimed with it have begun."""
    await asyncio.sleep(0.3)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


async def counts_deadlines(params: object, context: Context) -> JobResult:
    task: Any = asyncio.current_task()
    runner: Runner = task.get_coro().cr_frame.f_locals["self"]
    return JobResult.success(result=len(runner._deadlines))


async def speaks(params: object, context: Context) -> JobResult:
    return JobResult.success("漢")


async def rests(params: object, context: Context) -> None:
    await asyncio.sleep(0.1)


async def fails_with_much(params: object, context: Context) -> NoReturn:
    table = bytearray(20 << 20)
    raise ValueError(len(table))


async def writes_and_reports(params: object, context: Context) -> None:
    """Its progress is written while its transaction is open."""
    async with context.transaction() as connection:
        await connection.execute("insert into public.effect values (1)")
        context.progress(0.5, "half")
        await asyncio.sleep(0.6)


async def writes_and_waits(params: object, context: Context) -> None:
    async with context.transaction() as connection:
        await connection.execute("insert into effect values (1)")
        await asyncio.sleep(0.5)
        await connection.execute("insert into effect values (2)")


async def rests_long(params: object, context: Context) -> None:
    await asyncio.sleep(3)


async def leaves_its_connection(params: object, context: Context) -> None:
    """To a task that writes with it, and with what was prepared on it, as soon as another job has the connection."""
    async with context.transaction() as connection:
        prepared = await connection.prepare("insert into effect values (1) returning n")

        async def write() -> None:
            await asyncio.sleep(0.3)
            for write in (lambda: connection.execute("insert into effect values (1)"), prepared.fetchval):
                try:
                    await write()
                except Exception as error:
                    context.log.info("write.refused", reason=str(error))

    left.add(asyncio.create_task(write()))


async def leaves_a_block(params: dict[str, str], context: Context) -> None:
    """To a task that leaves it by an exception while the job's end waits to be recorded."""

    async def write() -> None:
        async with context.transaction() as connection:
            await connection.execute("insert into effect values (1)")
            written.set()
            await asyncio.sleep(0.5)
            try:
                await connection.execute("insert into effect values (2)")
            finally:
                context.log.info("block.left")

    written = asyncio.Event()
    task = asyncio.create_task(write())
    task.add_done_callback(lambda done: done.exception())
    left.add(task)
    await written.wait()
    while not Path(params["file"]).exists():
        await asyncio.sleep(0.01)
