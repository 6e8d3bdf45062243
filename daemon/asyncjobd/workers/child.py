"""A worker process: `python -m asyncjobd.workers.child ACTION`.

Orders come by its standard input, reports leave by its standard output. Handlers have neither: what they print goes to
standard error, which the daemon reads line by line.
"""

import asyncio
import ctypes
import faulthandler
import gc
import os
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import msgspec
import uvloop

from asyncjobd import forks
from asyncjobd.actions.handlers import LoadedHandler, load_handler
from asyncjobd.actions.objects import LoadError
from asyncjobd.actions.outcomes import as_result, encode_result, failure_of
from asyncjobd.client import Client
from asyncjobd.config.model import DatabaseConfig
from asyncjobd.context import Context, Reported
from asyncjobd.job import current_job
from asyncjobd.observability.logging import setup as logs
from asyncjobd.params import ParamsError
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.text import shorten
from asyncjobd.result import JobResult
from asyncjobd.workers.protocol import (
    Answer,
    Cancel,
    Line,
    Order,
    Progress,
    Report,
    Setup,
    Start,
    encode,
    framed,
    receive,
)

MOST_JOBS = 1000  # of one process: what leaks of a handler, and is no memory, ends with it
MOST_GROWTH = 100_000_000  # bytes of memory that its jobs may leave behind, and not more than
SHARE_OF_LIMIT = 0.25  # of its limit: the next job is to have about all of it
OOM_SCORE = "500"  # of 1000: where the machine has no memory left, this process goes before the daemon and its database
PR_SET_PDEATHSIG = 1  # prctl(2)


class Child:
    def __init__(self, setup: Setup, handler: LoadedHandler, send: Callable[[Report], None]) -> None:
        self._setup = setup
        self._handler = handler
        self._send = send
        self._client = Client(Database(DatabaseConfig(dsn=setup.dsn, schema=setup.schema)))
        self._context: Context | None = None  # of the job that runs
        self._log_level = ""
        self._jobs = 0
        limit = MOST_GROWTH / SHARE_OF_LIMIT if setup.memory_limit is None else setup.memory_limit
        self._most_memory = _memory() + min(MOST_GROWTH, SHARE_OF_LIMIT * limit)

    async def perform(self, start: Start) -> None:
        """Runs a job. Whatever its handler does, an answer is sent, or the process ends."""
        try:
            if start.log_level != self._log_level:
                self._log_level = start.log_level
                logs.set_levels(start.log_level, {})
            current_job.set(start.job)
            self._jobs += 1
            answer = await self._run(start)
            self._context = None
            is_last = answer.is_last or self._jobs >= MOST_JOBS or self._has_grown()
            self._send(msgspec.structs.replace(answer, is_last=is_last))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        await self._client.close()  # the database may be another one by the next job

    async def _run(self, start: Start) -> Answer:
        self._context = Context(start.job, start.claim_token, self._progress, self._client, _no_transaction)
        try:
            try:
                result = as_result(await self._handler.run(self._context))
            finally:
                forks.end_child()
            return _answer(result, encode_result(result))
        except ParamsError as error:
            return _answer(JobResult.fatal_error(shorten(str(error))))
        except MemoryError as error:
            traceback.clear_frames(error.__traceback__)  # gives back what is needed to tell of it
            return _answer(self._starved(failure_of(error)), is_raised=True, is_last=True)
        except BaseException as error:  # SystemExit too: it ends the job, not the process
            return _answer(failure_of(error), is_raised=True)

    def _starved(self, result: JobResult) -> JobResult:
        if self._setup.memory_limit is None:
            return result
        limit = self._setup.memory_limit / 1024**2
        return msgspec.structs.replace(result, message=f"needed more than its memory_limit of {limit:g} MB")

    def _progress(self, context: Context, reported: Reported) -> None:
        """Called from any thread. What an earlier job has left behind reports nothing."""
        if context is self._context:
            self._send(Progress(*reported))

    def _has_grown(self) -> bool:
        if _memory() > self._most_memory:
            gc.collect()
        return _memory() > self._most_memory


def _answer(
    result: JobResult, encoded: str | None = None, *, is_raised: bool = False, is_last: bool = False
) -> Answer:
    message, trace = _text(result.message), _text(result.traceback)
    return Answer(
        msgspec.structs.replace(result, message=message, traceback=trace, result=None),
        encoded,
        is_raised,
        is_last,
    )


def _text(value: object) -> str | None:
    """As it can be sent: without lone surrogates."""
    return None if value is None else str(value).encode("utf-8", "replace").decode()


def _no_transaction() -> NoReturn:
    raise RuntimeError(
        "transaction() does not reach into a process of its own: write by a connection of the handler's own, "
        "or run this action without isolation"
    )


def _memory() -> int:
    """Bytes, as RLIMIT_DATA counts them: private, and written to or about to be."""
    return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()


def _load(setup: Setup) -> LoadedHandler:
    """Under the limit: what a handler's modules need counts."""
    if setup.memory_limit is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (setup.memory_limit, setup.memory_limit))
    sys.path[:] = setup.path
    return load_handler(setup.handler, ThreadPoolExecutor(1, thread_name_prefix="handler"), setup.options)


async def _serve(orders: int, send: Callable[[Report], None]) -> None:
    """Until the daemon has no more to say."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(orders, "rb", 0))
    decode = msgspec.msgpack.Decoder(Order).decode
    child: Child | None = None
    job: asyncio.Task[None] | None = None
    while (message := await receive(reader)) is not None:
        match decode(message):
            case Setup() as setup:
                try:
                    child = Child(setup, _load(setup), send)
                except LoadError as error:
                    send(
                        Answer(JobResult.failed(f"its process cannot use its handler: {error}"), is_last=True)
                    )
            case Start() as start if child is not None:
                job = loop.create_task(child.perform(start))
                await asyncio.sleep(0)  # cancelled before it has begun, it would answer nothing
            case Cancel() if job is not None:
                job.cancel()


def _own(descriptor: int, instead: int) -> int:
    """What a standard descriptor leads to, by one of our own; the standard one leads elsewhere from now on."""
    own = os.dup(descriptor)
    os.dup2(instead, descriptor)
    return own


def main() -> None:
    daemon = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != daemon:  # it is dead already
        return
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # or asyncio would take it
    forks.keep_apart()
    with Path(os.devnull).open() as nothing:
        orders = _own(0, nothing.fileno())
    reports = _own(1, 2)
    guard = threading.Lock()

    def send(report: Report) -> None:
        """Called from any thread; waits where the daemon is slow to read."""
        if (
            forks.is_child
        ):  # two cannot write into one pipe, and one that is killed may do so in the midst of a report
            if isinstance(report, Line):
                print(report.level, report.event, report.fields.decode(), file=sys.stderr, flush=True)
            return
        rest = memoryview(framed(encode(report)))
        with guard:
            while rest:
                rest = rest[os.write(reports, rest) :]

    logs.report_to(lambda *line: send(Line(*line)))
    logs.set_levels("info", {})
    uvloop.run(_serve(orders, send))


if __name__ == "__main__":
    main()
