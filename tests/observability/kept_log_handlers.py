"""Handlers whose lines are kept."""

import asyncio
import logging
from typing import Any

import structlog

from asyncjobd import Context, JobResult
from tests.observability.log_processors import SECRET


def _speak(context: Context) -> None:
    context.log.info("by the context", file="a b.csv", rows=3, nothing=None)
    structlog.get_logger("mine").warning("by structlog")
    logging.getLogger("a.library").error("by %s", "logging")
    context.log.debug("below the level")


async def speaks(params: object, context: Context) -> None:
    _speak(context)


def speaks_in_thread(params: object, context: Context) -> None:
    _speak(context)


async def speaks_and_prints(params: object, context: Context) -> None:
    _speak(context)
    print("printed")


async def floods(params: dict[str, int], context: Context) -> None:
    log = context.log
    for number in range(params["lines"]):
        log.info("line", number=number)


async def boasts(params: dict[str, int], context: Context) -> None:
    """Log one line of so many characters of two bytes each."""
    context.log.info("ä" * params["characters"])


async def tries(params: object, context: Context) -> JobResult:
    """Fail at the first try."""
    context.log.info("tried", count=context.job.execution_count, password=SECRET)
    if context.job.execution_count == 1:
        raise RuntimeError(f"not yet, {SECRET}")
    try:
        raise ValueError(f"caught, {SECRET}")
    except ValueError:
        context.log.exception("went on")
    return JobResult.success()


async def writes(params: object, context: Context) -> JobResult:
    async with context.transaction() as connection:
        await connection.execute("insert into asyncjob.job (job_name, status) values ('written', 'Hold')")
    context.log.info("written")
    return JobResult.completed()


async def overruns(params: object, context: Context) -> None:
    context.log.info("begun")
    await asyncio.sleep(3600)


FORGED = "2026-01-01T00:00:00.000Z info    forged"
ODD = f"nul \0 and surrogate \udce9\n{FORGED}"


async def attacks(params: object, context: Context) -> None:
    context.log.info(ODD, odd=ODD, **{"job_id": 7, "a key": b"\xff", "quoted": 'a="b"'})


_released: list[asyncio.Event] = []
_behind: list["asyncio.Task[Any]"] = []


async def leaves_behind(params: dict[str, bool], context: Context) -> None:
    """Leave a task behind, in the first execution; let it log, and wait for that, in the second."""
    if params["is_first"]:
        _released.append(asyncio.Event())
        _behind.append(asyncio.create_task(_say_late(context, _released[-1])))
        context.log.info("of the first")
        return
    _released.pop().set()
    await _behind.pop()
    context.log.info("of the second")


async def _say_late(context: Context, released: asyncio.Event) -> None:
    await released.wait()
    context.log.info("too late")
