"""The daemon's side of a worker process.

A process that does not end its job in time after a cancellation is killed, together with the processes it
started.
"""

import asyncio
import os
import signal
import sys
from collections import deque
from contextlib import suppress
from contextvars import Context as Variables
from math import inf
from time import monotonic

import msgspec
import structlog

from asyncjobd.context import Context
from asyncjobd.observability.logging import setup as logs
from asyncjobd.observability.logging.kept_log import KeptLog, current_log, kept_in
from asyncjobd.result import JobResult
from asyncjobd.tracing import active_traceparent
from asyncjobd.workers.protocol import (
    Cancel,
    Finished,
    LogEvent,
    Progress,
    Report,
    Start,
    encode,
    frame,
    read_message,
)

READ_CHUNK_BYTES = 16_384  # read at once from a process, so that other coroutines get their turn
MAX_LINE_BYTES = 8_192  # the longest printed output that is logged as one line
KEPT_LINES = 50  # the last lines of printed output; they become the traceback of a job whose process died
DRAIN_SECONDS = 1.0  # the time to read what a process wrote before it ended
EXIT_SECONDS = 2.0  # the time for an idle process to exit before it is killed

log = structlog.get_logger("asyncjobd.worker")


class Worker:
    """A worker process, which runs one job at a time.

    Attributes:
        setup: The first message to the process, which says what it serves.
        action: The name of the action.
        is_spent: True once the process takes no further job.
        lifetime: The task that runs from the start of the process to its end.
    """

    def __init__(self, action: str, setup: bytes, cancel_seconds: float) -> None:
        """Start the process. A cancelled handler has `cancel_seconds` to end before the process is killed."""
        self.setup = setup
        self.action = action
        self.is_spent = False
        self._cancel_seconds = cancel_seconds
        self._loop = asyncio.get_running_loop()
        self._process: asyncio.subprocess.Process | None = None
        self._unsent = [setup]  # messages that wait for the start of the process
        self._context: Context | None = None  # the running job's
        self._kept: KeptLog | None = None  # the running job's, where its action keeps it
        self._finished: asyncio.Future[Finished] | None = None  # the running job's
        self._printed: deque[str] = deque(maxlen=KEPT_LINES)
        self._is_killed = False
        # Empty context variables: nothing of the job that needs the process first
        self.lifetime = self._loop.create_task(self._manage_process(), context=Variables())

    async def run(self, context: Context) -> JobResult:
        """Run a job, and return its result.

        A cancellation is passed on to the process, which is killed if the handler does not end in time. Raise
        CancelledError if the handler was cancelled, or its process killed.
        """
        self._context, self._kept = context, current_log.get()
        self._finished = self._loop.create_future()
        self._printed.clear()
        # The active span here is the parent of what the handler inserts there.
        job = msgspec.structs.replace(
            context.job, traceparent=active_traceparent() or context.job.traceparent
        )
        self._send(Start(job, context.claim_token, logs.job_level(job.job_name)))
        is_cancelled = await self._wait(self._finished)
        finished = self._finished.result()
        self._context = self._kept = self._finished = None
        self.is_spent = self.is_spent or finished.is_last
        if is_cancelled and finished.is_raised:
            raise asyncio.CancelledError
        encoded = None if finished.encoded is None else msgspec.Raw(finished.encoded.encode())
        return msgspec.structs.replace(finished.result, result=encoded)

    async def _wait(self, finished: "asyncio.Future[Finished]") -> bool:
        """Wait for the end of the job, and return whether it was cancelled meanwhile."""
        is_cancelled, kill_at = False, inf
        while not finished.done():
            timeout = None if kill_at == inf else max(0.0, kill_at - monotonic())
            try:
                await asyncio.wait([finished], timeout=timeout)
            except asyncio.CancelledError:
                self._send(Cancel())
                kill_at = kill_at if is_cancelled else monotonic() + self._cancel_seconds
                is_cancelled = True
            if monotonic() >= kill_at:
                self.kill()
                kill_at = inf
        return is_cancelled

    def retire(self) -> None:
        """Let an idle process exit, and kill it if it does not."""
        self.is_spent = True
        if self._process is None or self._process.stdin is None:
            self.kill()
        elif not self.lifetime.done():
            self._process.stdin.close()
            self._loop.call_later(EXIT_SECONDS, self.kill)

    def kill(self) -> None:
        """Kill the process and its process group."""
        self._is_killed = self.is_spent = True
        if self._process is not None and not self.lifetime.done():
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _manage_process(self) -> None:
        """Start the process, serve it until it ends, and fail the job that it leaves unfinished."""
        reason = "the daemon could not serve the worker process"
        try:
            reason = await self._serve_process()
        finally:
            self._process_ended(reason)

    async def _serve_process(self) -> str:
        """Start the process, and serve it until it ends. Return why it ended."""
        try:
            self._process = process = await self._start_process()
        except OSError as error:
            return f"the worker process could not be started: {error}"
        log.debug("worker.started", action=self.action, pid=process.pid)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.writelines(map(frame, self._unsent))
        self._unsent.clear()
        if self._is_killed:
            self.kill()
        reading = asyncio.create_task(self._read_reports(process.stdout))
        logging = asyncio.create_task(self._log_output(process.stderr))
        exiting = asyncio.create_task(process.wait())
        await asyncio.wait([reading, exiting], return_when=asyncio.FIRST_COMPLETED)
        self.kill()  # the processes that it left behind; itself, if it closed its output or sent nonsense
        exit_code = await exiting
        _, unfinished = await asyncio.wait([reading, logging], timeout=DRAIN_SECONDS)
        for task in unfinished:  # a process that has left the process group keeps the pipes open
            task.cancel()
        process._transport.close()  # type: ignore[attr-defined]  # closes our ends of the pipes
        log.debug("worker.ended", action=self.action, pid=process.pid, exit_code=exit_code)
        failure = None if reading in unfinished else reading.exception()
        if failure is not None:
            return f"the worker process sent an invalid message: {failure}"
        return _describe_exit(exit_code)

    async def _start_process(self) -> asyncio.subprocess.Process:
        # Without NOTIFY_SOCKET: systemd expects messages of the daemon only
        environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-u", "-m", "asyncjobd.workers.child", self.action,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            start_new_session=True, limit=READ_CHUNK_BYTES, env=environment,
        )  # fmt: skip

    def _send(self, command: Start | Cancel) -> None:
        message = encode(command)
        if self._process is None or self._process.stdin is None:
            self._unsent.append(message)
        elif not self._process.stdin.is_closing():
            self._process.stdin.write(frame(message))

    async def _read_reports(self, reports: asyncio.StreamReader) -> None:
        decode = msgspec.msgpack.Decoder(Report).decode
        while (message := await read_message(reports)) is not None:
            match decode(message):
                case Progress(fraction, text) if self._context is not None:
                    self._context.progress(fraction, text)
                case LogEvent(level, event, fields, execution):
                    is_current = self._kept is not None and self._kept.execution == execution
                    with kept_in(self._kept if is_current else None):
                        logs.log_forwarded(level, event, fields)
                case Finished() as finished if self._finished is not None and not self._finished.done():
                    self._finished.set_result(finished)

    async def _log_output(self, output: asyncio.StreamReader) -> None:
        """Log each line that the handler prints."""
        rest = b""
        while chunk := await output.read(READ_CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > MAX_LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._log_line(line)
        if rest:
            self._log_line(rest)

    def _log_line(self, line: bytes) -> None:
        # Without NUL: PostgreSQL's text has none, and the line may become a part of the row's traceback
        text = line.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
        self._printed.append(text)
        job = {} if self._context is None else self._context.job.as_logged
        with kept_in(self._kept):
            log.info("worker.printed", action=self.action, line=text, **job)

    def _process_ended(self, reason: str) -> None:
        self.is_spent = True
        if self._finished is not None and not self._finished.done():
            result = msgspec.structs.replace(
                JobResult.failed(reason), traceback="\n".join(self._printed) or None
            )
            self._finished.set_result(Finished(result, is_raised=True, is_last=True))


def _describe_exit(exit_code: int) -> str:
    if exit_code >= 0:
        return f"the worker process exited with code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:  # most real-time signals have no name
        name = f"signal {-exit_code}"
    cause = ", as the kernel does when memory runs out" if name == "SIGKILL" else ""
    return f"the worker process was killed by {name}{cause}"
