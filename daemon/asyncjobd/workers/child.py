"""The program of a worker process: `python -m asyncjobd.workers.child ACTION`.

Commands of the daemon come by standard input, reports leave by standard output. Handlers do not get these
two: they read from /dev/null, and what they print goes to standard error, which the daemon logs line by line.
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
from asyncjobd.actions.exceptions import ExceptionRules, load_rules
from asyncjobd.actions.handler_results import as_result, encode_result, failure_from
from asyncjobd.actions.handlers import LoadedHandler, load_handler
from asyncjobd.actions.imports import LoadError
from asyncjobd.client import Client
from asyncjobd.config.model import DatabaseConfig
from asyncjobd.context import Context, ProgressReport
from asyncjobd.job import current_job
from asyncjobd.observability.logging import setup as logs
from asyncjobd.postgres.database import Database
from asyncjobd.result import JobResult
from asyncjobd.workers.protocol import (
    Cancel,
    Command,
    Finished,
    LogEvent,
    Progress,
    Report,
    Setup,
    Start,
    encode,
    frame,
    read_message,
)

# A process ends after so many jobs, which frees whatever handlers leak besides memory.
MAX_JOBS = 1000
# It also ends after a job once it has grown by the smaller of these, so that the next job has most of the
# limit.
MAX_GROWTH_BYTES = 100_000_000
MAX_GROWTH_OF_LIMIT = 0.25
# From 0 to 1000: if the machine runs out of memory, the kernel kills workers before the daemon.
OOM_SCORE_ADJUSTMENT = "500"
PR_SET_PDEATHSIG = 1  # an option of prctl(2)

SendReport = Callable[[Report], None]


class JobRunner:
    """Runs the jobs of one action in this process, one at a time."""

    def __init__(
        self, setup: Setup, handler: LoadedHandler, exceptions: ExceptionRules, send: SendReport
    ) -> None:
        self._memory_limit = setup.memory_limit
        self._handler = handler
        self._exceptions = exceptions
        self._send = send
        self._client = Client(Database(DatabaseConfig(dsn=setup.dsn, schema=setup.schema)))
        self._context: Context | None = None  # the running job's
        self._log_level = ""
        self._jobs = 0
        growth = MAX_GROWTH_BYTES
        if setup.memory_limit is not None:
            growth = min(growth, int(MAX_GROWTH_OF_LIMIT * setup.memory_limit))
        self._max_memory = _data_bytes() + growth

    async def perform(self, start: Start) -> None:
        """Run a job, and report how it ended. If that is not possible, the process ends."""
        try:
            if start.log_level != self._log_level:
                self._log_level = start.log_level
                logs.set_levels(start.log_level, {})
            current_job.set(start.job)
            self._jobs += 1
            finished = await self._run(start)
            self._context = None
            is_last = finished.is_last or self._jobs >= MAX_JOBS or self._has_grown()
            self._send(msgspec.structs.replace(finished, is_last=is_last))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        await self._client.pool.close_idle()  # by the next job the database may have moved to another server

    async def _run(self, start: Start) -> Finished:
        self._context = Context(
            start.job, start.claim_token, self._report_progress, self._client, _refuse_transaction
        )
        try:
            try:
                result = as_result(await self._handler.run(self._context))
            finally:
                forks.exit_if_child()
            return _finished(result, encode_result(result))
        except MemoryError as error:
            traceback.clear_frames(error.__traceback__)  # frees the memory that the report needs
            return _finished(self._out_of_memory(error), is_raised=True, is_last=True)
        except BaseException as error:  # SystemExit too: it ends the job, not the process
            return _finished(failure_from(error, self._exceptions), is_raised=True)

    def _out_of_memory(self, error: MemoryError) -> JobResult:
        result = failure_from(error, self._exceptions)
        if self._memory_limit is None:
            return result
        limit = self._memory_limit / 1024**2
        return msgspec.structs.replace(
            result, message=f"the handler needed more than its memory_limit of {limit:g} MB"
        )

    def _report_progress(self, context: Context, progress: ProgressReport) -> None:
        """Report progress from any thread, unless it is of an earlier job's context."""
        if context is self._context:
            self._send(Progress(*progress))

    def _has_grown(self) -> bool:
        if _data_bytes() > self._max_memory:
            gc.collect()
        return _data_bytes() > self._max_memory


def _finished(
    result: JobResult, encoded: str | None = None, *, is_raised: bool = False, is_last: bool = False
) -> Finished:
    message, trace = _sendable(result.message), _sendable(result.traceback)
    return Finished(
        msgspec.structs.replace(result, message=message, traceback=trace, result=None),
        encoded,
        is_raised,
        is_last,
    )


def _sendable(value: object) -> str | None:
    """Return the value as text without lone surrogates, which MessagePack cannot encode."""
    return None if value is None else str(value).encode("utf-8", "replace").decode()


def _refuse_transaction() -> NoReturn:
    raise RuntimeError(
        "transaction() is not available in a worker process: use a connection of the handler's own, "
        "or remove isolation from the action"
    )


def _data_bytes() -> int:
    """Return the size of the private writable memory, which is what RLIMIT_DATA limits."""
    return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()


def _make_runner(setup: Setup, send: SendReport) -> JobRunner:
    """Set the memory limit and import the handler and its exceptions, whose modules count into the limit."""
    if setup.memory_limit is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (setup.memory_limit, setup.memory_limit))
    sys.path[:] = setup.path
    handler = load_handler(setup.handler, ThreadPoolExecutor(1, thread_name_prefix="handler"), setup.options)
    exceptions = load_rules(setup.fatal_exceptions, setup.retried_exceptions)
    return JobRunner(setup, handler, exceptions, send)


async def _serve_commands(descriptor: int, send: SendReport) -> None:
    """Obey the commands read from the descriptor until the daemon closes it."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0))
    decode = msgspec.msgpack.Decoder(Command).decode
    runner: JobRunner | None = None
    job: asyncio.Task[None] | None = None
    while (message := await read_message(reader)) is not None:
        match decode(message):
            case Setup() as setup:
                try:
                    runner = _make_runner(setup, send)
                except LoadError as error:
                    reason = f"the worker process cannot load the handler: {error}"
                    send(Finished(JobResult.failed(reason), is_last=True))
            case Start() as start if runner is not None:
                job = loop.create_task(runner.perform(start))
                await asyncio.sleep(0)  # a task that is cancelled before its first step would report nothing
            case Cancel() if job is not None:
                job.cancel()


class ReportPipe:
    """The pipe that reports are written to."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def send(self, report: Report) -> None:
        """Write a report from any thread; block while the daemon is slow to read.

        A forked child does not write into the pipe, as it could be killed in the middle of a report; its log
        events are printed instead.
        """
        if forks.is_child:
            if isinstance(report, LogEvent):
                print(report.level, report.event, report.fields.decode(), file=sys.stderr, flush=True)
            return
        rest = memoryview(frame(encode(report)))
        with self._lock:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]


def _current_execution() -> tuple[int, int] | None:
    job = current_job.get(None)
    return None if job is None else (job.id, job.execution_total)


def _move_descriptor(descriptor: int, replacement: int) -> int:
    """Return a new descriptor of the same file, and let the old number refer to the file of `replacement`."""
    moved = os.dup(descriptor)
    os.dup2(replacement, descriptor)
    return moved


def main() -> None:
    """Run the worker process until its daemon ends it, or dies."""
    daemon = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != daemon:  # the daemon has died before the signal was set
        return
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE_ADJUSTMENT)
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # asyncio would install a handler of its own otherwise
    forks.isolate_children()
    with Path(os.devnull).open() as devnull:
        commands = _move_descriptor(sys.stdin.fileno(), devnull.fileno())
    reports = ReportPipe(_move_descriptor(sys.stdout.fileno(), sys.stderr.fileno()))
    logs.forward_to(
        lambda level, event, fields: reports.send(LogEvent(level, event, fields, _current_execution()))
    )
    logs.set_levels("info", {})
    uvloop.run(_serve_commands(commands, reports.send))


if __name__ == "__main__":
    main()
