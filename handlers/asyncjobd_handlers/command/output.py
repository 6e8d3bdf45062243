"""The output of a program: lines of stdout and stderr, which are reports or go to the log."""

from collections import deque
from collections.abc import Callable
from typing import Any

from asyncjobd_handlers.command.reports import LONGEST_REPORT, Reports
from asyncjobd_handlers.command.text import printable

LONGEST_LINE = 8_192  # bytes of a line in the log
PER_LINE = 100  # bytes that a logged line counts in addition to its own
LAST_LINES = 5  # lines of stderr in the message of a failure
LONGEST_LAST = 500  # bytes of each


class Stream:
    """Cuts one stream into lines."""

    def __init__(self) -> None:
        self._line = bytearray()  # the last line, which has not ended yet

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that end in the chunk. Of a line that is too long, one byte more than the limit
        is kept."""
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
    """Both streams of one run. At most `largest_log` bytes of them are logged."""

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
        """Take the last lines, which may have no line feed."""
        for stream in self._streams:
            self.feed(stream, b"\n")

    @property
    def last_of_stderr(self) -> str:
        return "\n".join(printable(line[:LONGEST_LAST]) for line in self._last)

    def _write(self, stream: str, line: bytes) -> None:
        if line:
            self._log.info("command.output", stream=stream, line=printable(line[:LONGEST_LINE]))
            self._room -= len(line) + PER_LINE
        if self._room <= 0:
            self._log.warning(
                "command.silenced", reason="it wrote more than largest_log; no more of it is logged"
            )
