"""Reports: lines of JSON by which a program tells its progress, its result, and how its job goes on."""

from collections.abc import Callable, Set
from datetime import timedelta
from typing import Any

import msgspec

from asyncjobd.config.durations import DurationError, parse_duration
from asyncjobd_handlers.command.text import printable

LONGEST_REPORT = 10_000_000  # bytes
LONGEST_SHOWN = 200  # bytes of a report in an error


class Report(msgspec.Struct, frozen=True):
    """One line. `retry_later` is a duration with its unit, or null; it is read by the parser of durations."""

    progress: float | None = None
    message: str | None = None
    result: msgspec.Raw = msgspec.Raw()  # goes to the row as it is
    retry_later: Any = None
    completed: bool = False


NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
KEYS = frozenset(Report.__struct_fields__)


class Reports:
    """The reports of one run. `trouble` is the reason why the first wrong one was not understood."""

    def __init__(self, progress: Callable[[float, str | None], object]) -> None:
        self._progress = progress
        self.message: str | None = None
        self.result: msgspec.Raw | None = None
        self.is_retried = False
        self.after: timedelta | None = None
        self.completed = False
        self.trouble = ""

    def take(self, line: bytes) -> bool:
        """Take a line of stdout if it is a report, and return whether it was one."""
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
        except (*NO_JSON, DurationError) as error:
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
            self.after = None if report.retry_later is None else parse_duration(report.retry_later)
        self.completed = report.completed or self.completed

    def _refuse(self, reason: str, line: bytes) -> None:
        self.trouble = self.trouble or f"{reason}: {printable(line[:LONGEST_SHOWN])}"
