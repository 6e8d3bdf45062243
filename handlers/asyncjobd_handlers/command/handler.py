"""The handler that runs a program for each job."""

import asyncio
import os
import socket
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from asyncjobd import JobHandler, JobResult, Outcome
from asyncjobd.forks import close_in_children
from asyncjobd_handlers.command import arguments
from asyncjobd_handlers.command.options import CommandOptions
from asyncjobd_handlers.command.output import Output
from asyncjobd_handlers.command.pipe import Pipe

KEEPER = str(Path(__file__).with_name("keeper.py"))
LAST_OUTPUT = 1.0  # seconds to read the rest of the pipes after the program and its children have ended


class Command(JobHandler[Any]):
    """Runs a program. Its exit code decides the outcome; lines of its stdout may report progress and a
    result."""

    Options = CommandOptions
    options: CommandOptions

    def set_params(self, raw: Any) -> None:
        self.params = raw
        self.argv = arguments.fill(self.options.argv, raw)

    async def execute(self) -> JobResult:
        """Run the program, and end when nothing of it is left, however often the execution is cancelled."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        # No other child may hold it: its end tells the keeper that the daemon is gone
        close_in_children(ours)
        with ours:
            running = asyncio.create_task(self._run(ours, theirs))
            is_cancelled = False
            while not running.done():
                try:
                    await asyncio.wait([running])
                except asyncio.CancelledError:
                    if not is_cancelled:
                        with suppress(OSError):  # the keeper may have ended
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
        with theirs, _in_memory(self.job.params) as stdin:
            async with Pipe.open(stdout) as out, Pipe.open(stderr) as err:
                try:
                    process = await asyncio.create_subprocess_exec(
                        *self._keeper(theirs.fileno()), stdin=stdin.fileno(), stdout=out.end, stderr=err.end,
                        env=self._environment, pass_fds=[theirs.fileno()], start_new_session=True,
                    )  # fmt: skip
                except OSError as error:
                    return JobResult.failed(f"cannot be started: {error.strerror}")
                for end in (theirs, out.end, err.end):  # the keeper has its own copies
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
        """Return the command line of keeper.py."""
        options = self.options
        grace = str(options.grace.total_seconds())
        settings = (str(control), grace, options.limits.encoded, options.ids, options.working_directory)
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
        """Return what the exit code, the reports and stderr make of the job."""
        outcome = self.options.outcome_of(code)
        ended = self.options.describe_exit(code)
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
            detail = output.last_of_stderr or message
            message = f"{ended}: {detail}" if detail else ended
        return JobResult(outcome, message, reports.result, reports.after)


def _in_memory(content: str) -> BinaryIO:
    """Return a file in memory, to be read from its start. Unlike a pipe it needs no writer while the
    program runs."""
    file = os.fdopen(os.memfd_create("params"), "w+b")
    file.write(content.encode())
    file.seek(0)
    return file


async def _read(ours: socket.socket) -> str:
    """Wait until the keeper has ended, and return why it could not start the program; empty if it could."""
    loop = asyncio.get_running_loop()
    said = b""
    with suppress(ConnectionResetError):
        while part := await loop.sock_recv(ours, 4096):
            said += part
    return said.decode(errors="replace")
