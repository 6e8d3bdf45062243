"""The end of what an execution logs, which is stored with its outcome where its action has `keep_log`.

`current_log` is set while the handler of such an action runs. Its threads and tasks have copies of it, so a line that
one of them logs after the handler's end goes to a log that nobody reads any more, never to that of another job.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog
from structlog.typing import EventDict

from asyncjobd.job import ClaimedJob
from asyncjobd.observability.logging.json_lines import as_text

INDENT = "\n    "  # begins the further lines of an event, so that no text can pass for another event


class KeptLog:
    """The last lines of an execution, of at most so many bytes. Any thread may add to it.

    Attributes:
        execution: Id and execution_total of its job, by which a worker process names the execution.
    """

    def __init__(self, job: ClaimedJob, size: int) -> None:
        self.execution = (job.id, job.execution_total)
        self._job = job.as_logged.items()
        self._size = size
        self._text = bytearray()
        self._left_out = 0  # bytes
        # A reentrant lock: a finaliser may run, and log, while its own thread holds it.
        self._lock = threading.RLock()

    def add(self, event: EventDict) -> None:
        """Add an event, whose exception is text already. What it has in common with all of the job is left out."""
        line = _line({key: value for key, value in event.items() if (key, value) not in self._job})
        with self._lock:
            self._text += line.encode()
            if len(self._text) > self._size:
                self._cut(len(self._text) - self._size)

    def _cut(self, excess: int) -> None:
        """Remove the first lines, and of a single line that is too long its beginning."""
        end = self._text.find(b"\n", excess - 1) + 1
        removed = end if end < len(self._text) else excess
        del self._text[:removed]
        self._left_out += removed

    def __str__(self) -> str:
        with self._lock:
            text = self._text.decode(errors="ignore")  # a line may begin within a character
            return f"... {self._left_out:,} earlier bytes\n{text}" if self._left_out else text


current_log: ContextVar[KeptLog | None] = ContextVar("asyncjobd_log", default=None)


@contextmanager
def kept_in(log: KeptLog | None) -> Iterator[None]:
    """Keep what is logged within the block in this log; None: nowhere."""
    token = current_log.set(log)
    try:
        yield
    finally:
        current_log.reset(token)


def keep(logger: Any, method: str, event: EventDict) -> EventDict:
    """Add the event to the current log; a processor of structlog's chain, the last but the renderer."""
    if (log := current_log.get()) is not None:
        log.add(structlog.processors.format_exc_info(logger, method, {**event}))
    return event


def _line(event: EventDict) -> str:
    """Return an event as text that PostgreSQL can store: time, level, name and key=value pairs."""
    time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    level, name = (as_text(event.pop(key, None)) for key in ("level", "event"))  # a processor may drop them
    trace = event.pop("exception", None) or event.pop("traceback", None)
    pairs = [f" {as_text(key)}={_value(value)}" for key, value in event.items() if value is not None]
    text = f"{time}Z {level:7} {name}{''.join(pairs)}" + (f"\n{as_text(trace)}" if trace else "")
    return text.rstrip().replace("\0", "\N{REPLACEMENT CHARACTER}").replace("\n", INDENT) + "\n"


def _value(value: object) -> str:
    """Return a value as it is where that is a word, else as JSON."""
    if isinstance(value, str) and value.isprintable() and value and not set(' "=') & set(value):
        return as_text(value)
    try:
        return msgspec.json.encode(value, enc_hook=repr).decode()
    except Exception:
        return msgspec.json.encode(as_text(value)).decode()
