"""The daemon's side of one worker process: starts it, gives it one job at a time, and knows of its end.

A process that does not end its job in time when it is told to is killed, and whatever it has started with it.
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
from asyncjobd.result import JobResult
from asyncjobd.tracing import active_traceparent
from asyncjobd.workers.protocol import Answer, Cancel, Line, Progress, Report, Start, encode, framed, receive

READ_AHEAD = 16_384  # bytes: of what a process says, so much is taken in one go, that others get their turn
LONGEST_LINE = 8_192  # bytes
LAST_LINES = 50  # that are shown of a process that died
LAST_WORDS = 1.0  # seconds in which they are read
LAST_WAIT = 2.0  # seconds for an idle one to leave

log = structlog.get_logger("asyncjobd.worker")


class Worker:
    """`setup`: its first message, which says what it is for."""

    def __init__(self, action: str, setup: bytes, grace: float) -> None:
        self.setup = setup
        self.action = action
        self.is_spent = False  # it takes no more jobs
        self._grace = grace  # seconds for a cancelled handler to end
        self._loop = asyncio.get_running_loop()
        self._process: asyncio.subprocess.Process | None = None
        self._unsent = [setup]  # until it is there
        self._context: Context | None = None  # of the job it runs
        self._answer: asyncio.Future[Answer] | None = None
        self._printed: deque[str] = deque(maxlen=LAST_LINES)
        self._is_killed = False
        self.life = self._loop.create_task(
            self._live(), context=Variables()
        )  # nothing of the job it is started for

    async def run(self, context: Context) -> JobResult:
        """Runs a job to its end. Cancelled, it ends within the grace."""
        self._context = context
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._answer = answer
        self._printed.clear()
        # the span that is active here is the parent of what the handler inserts there
        job = msgspec.structs.replace(
            context.job, traceparent=active_traceparent() or context.job.traceparent
        )
        self._order(Start(job, context.claim_token, logs.level_of(job.job_name)))
        is_cancelled, kill_at = False, inf
        while not answer.done():
            try:
                await asyncio.wait(
                    [answer], timeout=None if kill_at == inf else max(0.0, kill_at - monotonic())
                )
            except asyncio.CancelledError:
                self._order(Cancel())
                kill_at = kill_at if is_cancelled else monotonic() + self._grace
                is_cancelled = True
            if monotonic() >= kill_at:
                self.kill()
                kill_at = inf
        self._context = self._answer = None
        found = answer.result()
        self.is_spent = self.is_spent or found.is_last
        if is_cancelled and found.is_raised:
            raise asyncio.CancelledError
        encoded = None if found.encoded is None else msgspec.Raw(found.encoded.encode())
        return msgspec.structs.replace(found.result, result=encoded)

    def end(self) -> None:
        """An idle one leaves, or is made to."""
        self.is_spent = True
        if self._process is None or self._process.stdin is None:
            self.kill()
        elif not self.life.done():
            self._process.stdin.close()
            self._loop.call_later(LAST_WAIT, self.kill)

    def kill(self) -> None:
        """With all of its process group."""
        self._is_killed = self.is_spent = True
        if self._process is not None and not self.life.done():
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _live(self) -> None:
        """From the start of the process to its end, which nothing of it survives."""
        # the unit's manager is told of the daemon, not of its processes
        environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
        try:
            self._process = process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-u", "-m", "asyncjobd.workers.child", self.action,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                start_new_session=True, limit=READ_AHEAD, env=environment,
            )  # fmt: skip
        except OSError as error:
            self._ended(f"its process could not be started: {error}")
            return
        log.debug("worker.started", action=self.action, pid=process.pid)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.writelines(map(framed, self._unsent))
        self._unsent.clear()
        if self._is_killed:
            self.kill()
        reading, ending = asyncio.create_task(self._read(process.stdout)), asyncio.create_task(process.wait())
        listening = asyncio.create_task(self._listen(process.stderr))
        await asyncio.wait([reading, ending], return_when=asyncio.FIRST_COMPLETED)
        self.kill()  # what it leaves behind, or itself, where it does not talk any more
        exit_code = await ending
        _, endless = await asyncio.wait([reading, listening], timeout=LAST_WORDS)
        for each in endless:  # a process that it started has left its group, and still has its pipes
            each.cancel()
        process._transport.close()  # type: ignore[attr-defined]  # our ends of them
        log.debug("worker.ended", action=self.action, pid=process.pid, exit_code=exit_code)
        is_clear = reading in endless or reading.exception() is None
        self._ended(
            _cause(exit_code) if is_clear else f"its process did not make sense: {reading.exception()}"
        )

    def _order(self, order: Start | Cancel) -> None:
        message = encode(order)
        if self._process is None or self._process.stdin is None:
            self._unsent.append(message)
        elif not self._process.stdin.is_closing():
            self._process.stdin.write(framed(message))

    async def _read(self, reports: asyncio.StreamReader) -> None:
        decode = msgspec.msgpack.Decoder(Report).decode
        while (message := await receive(reports)) is not None:
            match decode(message):
                case Progress(fraction, text) if self._context is not None:
                    self._context.progress(fraction, text)
                case Line(level, event, fields):
                    logs.take_over(level, event, fields)
                case Answer() as answer if self._answer is not None and not self._answer.done():
                    self._answer.set_result(answer)

    async def _listen(self, printed: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await printed.read(READ_AHEAD):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._tell(line)
        if rest:
            self._tell(rest)

    def _tell(self, line: bytes) -> None:
        """What a handler prints is logged."""
        text = line.decode(errors="replace").replace(
            "\0", "\N{REPLACEMENT CHARACTER}"
        )  # the row's text has no NUL
        self._printed.append(text)
        about = {} if self._context is None else self._context.job.as_logged
        log.info("worker.printed", action=self.action, line=text, **about)

    def _ended(self, why: str) -> None:
        self.is_spent = True
        if self._answer is not None and not self._answer.done():
            result = msgspec.structs.replace(
                JobResult.failed(why), traceback="\n".join(self._printed) or None
            )
            self._answer.set_result(Answer(result, is_raised=True, is_last=True))


def _cause(exit_code: int) -> str:
    if exit_code >= 0:
        return f"its process left with exit code {exit_code}"
    name = signal.Signals(-exit_code).name
    by_whom = ", as the kernel does where memory is short" if name == "SIGKILL" else ""
    return f"its process was ended by {name}{by_whom}"
