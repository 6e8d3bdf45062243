"""`asyncjobd_handlers.command:Command` runs a program for each job: of any language, and with no shell between.

    [actions.Resize]
    handler = "asyncjobd_handlers.command:Command"
    timeout = "10 min"
    [actions.Resize.options]
    argv = ["/srv/jobs/resize.sh", "--to={params.to}"]

The program and its fixed arguments are the configuration's. The params of the row are on its stdin, as JSON; a
"{params.NAME}" in an argument is filled in by their NAME (see arguments.py; other users see arguments, but not stdin).
ASYNCJOBD_JOB_ID, ASYNCJOBD_JOB_NAME, ASYNCJOBD_EXECUTION_COUNT, ASYNCJOBD_EXECUTION_TOTAL and
ASYNCJOBD_MAX_EXECUTION_COUNT are in its environment, and little else; see options.py.

A line of stdout that is a JSON object of nothing but these keys is a report:

    {"progress": 0.5, "message": "half"}    how far it is, from 0 to 1; with a message or without
    {"message": "42 files"}                 the message of the job's end
    {"result": {"files": 42}}               its result, any JSON value
    {"retry_later": 30}                     not yet: due again in so many minutes; null: in retry_interval
    {"completed": true}                     a recursive job ends its repetition

Each may come any number of times; the last one counts. A report with a wrong value fails the job. All other lines of
stdout, and those of stderr, are logged as `command.output`.

The exit code decides: 0 is success, or what was reported; 75 (EX_TEMPFAIL) retry_later; 64, 65 and 78 (wrong usage,
data or configuration) fatal_error; any other, and a signal, failed. `exit_codes` may say otherwise. The message of a
failure is "exited with 3: " and the last lines of stderr.

On a timeout, Hold, cancel or stop, SIGTERM goes to the program and its children, and after `grace` SIGKILL to what is
left of them. The same goes for what the program leaves behind when it ends. If the daemon dies, SIGKILL comes at once.
"""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO

from asyncjobd import JobHandler, JobResult, Outcome
from asyncjobd.forks import close_in_children
from asyncjobd_handlers.command import arguments
from asyncjobd_handlers.command.options import CommandOptions
from asyncjobd_handlers.command.output import Output

KEEPER = str(Path(__file__).with_name("keeper.py"))
LAST_OUTPUT = 1.0  # seconds for what is still in the pipes when all has ended


class Command(JobHandler[Any]):
    Options = CommandOptions
    options: CommandOptions

    def set_params(self, raw: Any) -> None:
        self.params = raw
        self.argv = arguments.fill(self.options.argv, raw)

    async def execute(self) -> JobResult:
        """Ends when nothing of the program is left, however often it is cancelled."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        close_in_children(ours)  # its end is how the keeper knows that the daemon is gone
        with ours:
            running = asyncio.create_task(self._run(ours, theirs))
            is_cancelled = False
            while not running.done():
                try:
                    await asyncio.wait([running])
                except asyncio.CancelledError:
                    if not is_cancelled:
                        with suppress(OSError):  # it has ended meanwhile
                            ours.send(b"stop")
                    is_cancelled = True
            if is_cancelled:
                raise asyncio.CancelledError
            try:
                return running.result()
            finally:
                del running  # the traceback of its exception holds this frame: each would keep the other

    async def _run(self, ours: socket.socket, theirs: socket.socket) -> JobResult:
        output = Output(self.log, self.options.largest_log, self.progress)
        stdout, stderr = partial(output.feed, "stdout"), partial(output.feed, "stderr")
        with theirs, _file(self.job.params) as stdin:
            async with Pipe.open(stdout) as out, Pipe.open(stderr) as err:
                try:
                    process = await asyncio.create_subprocess_exec(
                        *self._keeper(theirs.fileno()), stdin=stdin.fileno(), stdout=out.end, stderr=err.end,
                        env=self._environment, pass_fds=[theirs.fileno()], start_new_session=True,
                    )  # fmt: skip
                except OSError as error:
                    return JobResult.failed(f"cannot be started: {error.strerror}")
                for end in (theirs, out.end, err.end):  # which the keeper has now
                    end.close()
                trouble = await _read(ours)
                code = await process.wait()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LAST_OUTPUT):
                        await out.closed.wait()
                        await err.closed.wait()
        output.end()
        return JobResult.failed(f"cannot be started: {trouble}") if trouble else self._result(code, output)

    def _keeper(self, control: int) -> list[str]:
        """The command line of keeper.py."""
        options = self.options
        settings = (
            str(control),
            str(options.grace),
            options.limits.encoded,
            options.ids,
            options.working_directory,
        )
        return [sys.executable, "-I", "-S", KEEPER, *settings, *self.argv]

    @property
    def _environment(self) -> dict[str, str]:
        job = self.job
        return self.options.base_environment | {
            "ASYNCJOBD_JOB_ID": str(job.id),
            "ASYNCJOBD_JOB_NAME": job.job_name,
            "ASYNCJOBD_EXECUTION_COUNT": str(job.execution_count),
            "ASYNCJOBD_EXECUTION_TOTAL": str(job.execution_total),
            "ASYNCJOBD_MAX_EXECUTION_COUNT": str(job.max_execution_count),
        }

    def _result(self, code: int, output: Output) -> JobResult:
        outcome, ended = self.options.ending(code)
        reports = output.reports
        if reports.trouble:
            return JobResult.failed(f"{ended}, after a report that cannot be used: {reports.trouble}")
        is_good = outcome in {Outcome.SUCCESS, Outcome.COMPLETED}
        if is_good and reports.is_retried:
            outcome = Outcome.RETRY_LATER
        elif is_good and reports.completed:
            outcome = Outcome.COMPLETED
        message = reports.message
        if not is_good:
            detail = output.complaint or message
            message = f"{ended}: {detail}" if detail else ended
        return JobResult(outcome, message, reports.result, reports.after)


def _file(content: str) -> BinaryIO:
    """In memory, to be read from its start: no program can be too slow or too early gone for it."""
    file = os.fdopen(os.memfd_create("params"), "w+b")
    file.write(content.encode())
    file.seek(0)
    return file


async def _read(ours: socket.socket) -> str:
    """What the keeper says, which is why it could not start the program, until it has ended."""
    loop = asyncio.get_running_loop()
    said = b""
    with suppress(ConnectionResetError):
        while part := await loop.sock_recv(ours, 4096):
            said += part
    return said.decode(errors="replace")


class Pipe(asyncio.Protocol):
    """What a program writes to its `end` is taken as it comes, so the program never waits for the daemon.

    The event loop's own pipe to a child may be a socket, which a script cannot open as /dev/stderr.
    """

    def __init__(self, take: Callable[[bytes], None], end: FileIO) -> None:
        self._take = take
        self.end = end
        self.closed = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, take: Callable[[bytes], None]) -> AsyncIterator["Pipe"]:
        reading, writing = os.pipe()
        with FileIO(writing, "wb") as end:
            pipe = cls(take, end)
            loop = asyncio.get_running_loop()
            transport, _ = await loop.connect_read_pipe(lambda: pipe, FileIO(reading, "rb"))
            try:
                yield pipe
            finally:
                transport.close()

    def data_received(self, data: bytes) -> None:
        self._take(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self.closed.set()
