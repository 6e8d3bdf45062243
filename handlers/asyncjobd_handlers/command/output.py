"""What a program writes: reports to the daemon, and lines for the log."""

from collections import deque
from collections.abc import Callable, Set
from datetime import timedelta
from typing import Annotated, Any

import msgspec

LONGEST_REPORT = 10_000_000  # bytes
LONGEST_LINE = 8_192  # bytes of any other line that are kept
PER_LINE = 100  # what a logged line counts beside its own bytes
LAST_LINES = 5  # of stderr that a failure shows
LONGEST_LAST = 500  # bytes of each

Minutes = Annotated[float, msgspec.Meta(ge=0, le=1000 * 365 * 1440)]


class Report(msgspec.Struct, frozen=True):
    progress: float | None = None
    message: str | None = None
    result: msgspec.Raw = msgspec.Raw()  # goes to the row as it is
    retry_later: Minutes | None = None
    completed: bool = False


NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
KEYS = frozenset(Report.__struct_fields__)


class Reports:
    """What the program has said so far about its job."""

    def __init__(self, progress: Callable[[float, str | None], object]) -> None:
        self._progress = progress
        self.message: str | None = None
        self.result: msgspec.Raw | None = None
        self.is_retried = False
        self.after: timedelta | None = None
        self.completed = False
        self.trouble = ""  # why a report is not understood; the first one's

    def take(self, line: bytes) -> bool:
        """Whether the line of stdout is a report."""
        if len(line) > LONGEST_REPORT:
            self._refuse(f"longer than {LONGEST_REPORT:,} bytes", line)
            return False
        try:
            keys = msgspec.json.decode(line, type=dict[str, msgspec.Raw]).keys()
        except NO_JSON:
            return False
        if not keys or not keys <= KEYS:
            return False
        try:
            self._apply(msgspec.json.decode(line, type=Report), keys)
        except NO_JSON as error:
            self._refuse(str(error), line)
        return True

    def _apply(self, report: Report, keys: Set[str]) -> None:
        if report.progress is not None:
            self._progress(report.progress, report.message)
        elif report.message is not None:
            self.message = report.message
        if "result" in keys:
            self.result = report.result
        if "retry_later" in keys:
            self.is_retried = True
            self.after = None if report.retry_later is None else timedelta(minutes=report.retry_later)
        self.completed = report.completed or self.completed

    def _refuse(self, reason: str, line: bytes) -> None:
        self.trouble = self.trouble or f"{reason}: {text(line[:200])}"


class Stream:
    """Cuts stdout or stderr into lines."""

    def __init__(self) -> None:
        self._line = bytearray()  # which has not ended yet

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that end in it, without their ends. Of one longer than it may be, a byte more than that is kept."""
        first, *more = chunk.split(b"\n")
        self._add(first)
        if not more:
            return []
        *lines, last = more
        ended = bytes(self._line)
        self._line.clear()
        self._add(last)
        return [ended, *lines]

    def _add(self, piece: bytes) -> None:
        first = self._line[:1] or piece[:1]
        longest = LONGEST_REPORT if first == b"{" else LONGEST_LINE
        self._line += piece[: longest + 1 - len(self._line)]


class Output:
    """Both streams of one run."""

    def __init__(self, log: Any, largest_log: int, progress: Callable[[float, str | None], object]) -> None:
        self.reports = Reports(progress)
        self._log = log
        self._room = largest_log
        self._streams = {"stdout": Stream(), "stderr": Stream()}
        self._last: deque[bytes] = deque(maxlen=LAST_LINES)

    def feed(self, stream: str, chunk: bytes) -> None:
        lines = self._streams[stream].feed(chunk)
        if stream == "stdout":
            lines = [line for line in lines if not (line.startswith(b"{") and self.reports.take(line))]
        else:
            self._last.extend(line for line in lines[-LAST_LINES:] if line)
        for line in lines:
            if self._room <= 0:
                return
            self._write(stream, line)

    def end(self) -> None:
        """A last line may lack its end."""
        for stream in self._streams:
            self.feed(stream, b"\n")

    @property
    def complaint(self) -> str:
        """The last lines of stderr."""
        return "\n".join(text(line[:LONGEST_LAST]) for line in self._last)

    def _write(self, stream: str, line: bytes) -> None:
        if line:
            self._log.info("command.output", stream=stream, line=text(line[:LONGEST_LINE]))
            self._room -= len(line) + PER_LINE
        if self._room <= 0:
            self._log.warning(
                "command.silenced", reason="it has written more than largest_log; no more is logged"
            )


def text(line: bytes) -> str:
    """Any bytes, as PostgreSQL and a terminal take them."""
    decoded = line.rstrip().decode(errors="replace")
    return "".join(each if each.isprintable() or each == "\t" else "\ufffd" for each in decoded)
