"""Structured logs on standard output: for people on a terminal, JSON lines else. Library logs come the same way."""

import logging
import sys
import threading
import time
from io import FileIO
from typing import Any

import msgspec
import structlog

from asyncjobd.config import LoggingConfig

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(config: LoggingConfig) -> None:
    global _json
    is_console = config.format == "console" or (config.format == "auto" and sys.stdout.isatty())
    level = LEVELS[config.level]
    shared: list[Any] = [structlog.contextvars.merge_contextvars, structlog.processors.add_log_level]
    if is_console:
        final: list[Any] = [
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _drop_empty,
            _print_traceback_last,
            structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty()),
        ]
        factory: Any = structlog.PrintLoggerFactory(sys.stdout)
    else:
        _json = _Json()
        final = [structlog.processors.format_exc_info, _json]
        _stream.open()
        factory = structlog.BytesLoggerFactory(_stream)  # type: ignore[arg-type]
    structlog.configure(
        processors=shared + final,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_ToStructlog()], level=level, force=True)
    logging.captureWarnings(True)


def info_each(event: str, lines: list[dict[str, Any]]) -> None:
    """As `info(event, **line)` for each of the lines, none of whose values is None; in one write and a tenth of the
    time, for what is logged of every job."""
    if _json is None:
        for line in lines:
            structlog.get_logger().info(event, **line)
    elif logging.root.isEnabledFor(logging.INFO):
        _stream.write(_json.render("info", event, lines))


class _Stream:
    """Standard output. A log that cannot be written, on a full disk or into a closed pipe, must not end the jobs. The
    loss is told where lines can be written again."""

    def __init__(self) -> None:
        self._file: FileIO | None = None
        self._lost = 0
        self._writing = threading.Lock()

    def open(self) -> None:
        """Unbuffered, or what was lost would fail once more at the exit."""
        self._file = FileIO(sys.stdout.fileno(), "wb", closefd=False)

    def write(self, lines: bytes) -> None:
        with self._writing:
            try:
                if self._lost:
                    lost = {"level": "error", "event": "log.lost", "lines": self._lost}
                    self._write_all(msgspec.json.encode(lost) + b"\n")
                self._write_all(lines)
                self._lost = 0
            except OSError:
                self._lost += lines.count(b"\n")

    def _write_all(self, lines: bytes) -> None:
        assert self._file is not None
        while lines:
            lines = lines[self._file.write(lines) :]

    def flush(self) -> None:
        """Nothing is buffered."""


class _ToStructlog(logging.Handler):
    """Records of the standard library's logging, as events of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            min(max(record.levelno, logging.DEBUG), logging.CRITICAL), record.getMessage(),
            logger=record.name, exc_info=record.exc_info,
        )  # fmt: skip


def _drop_empty(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if value is not None}


def _print_traceback_last(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """The console shows a job's traceback as it shows an exception's, below the line."""
    if "traceback" in event:
        event["exception"] = event.pop("traceback")
    return event


class _Json:
    """Renders events: the time, the level and the event first, then what is not None."""

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder(enc_hook=repr)
        self._second = 0
        self._stamp = ""

    def __call__(self, _logger: Any, _method: str, event: dict[str, Any]) -> bytes:
        first = self._first(event.pop("level"), event.pop("event"))
        return self._encoder.encode(first | _drop_empty(None, "", event))

    def render(self, level: str, event: str, lines: list[dict[str, Any]]) -> bytes:
        """What they have in common is encoded once; within a line there is no line feed."""
        first = self._encoder.encode(self._first(level, event))[:-1] + b","
        return first + self._encoder.encode_lines(lines)[1:].replace(b"\n{", b"\n" + first)

    def _first(self, level: str, event: str) -> dict[str, Any]:
        """With the time as TimeStamper(fmt="iso", utc=True) writes it, in a fourth of its time."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return {"timestamp": f"{self._stamp}.{int((now - second) * 1e6):06d}Z", "level": level, "event": event}


_stream = _Stream()
_json: _Json | None = None  # None: lines for people
