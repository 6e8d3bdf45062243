"""Structured logs on standard output: for people on a terminal, JSON lines else. Library logs come the same way."""

import logging
import sys
from io import FileIO
from typing import Any

import msgspec
import structlog

from asyncjobd.config import LoggingConfig

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(config: LoggingConfig) -> None:
    is_console = config.format == "console" or (config.format == "auto" and sys.stdout.isatty())
    level = LEVELS[config.level]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _drop_empty,
    ]
    if is_console:
        final: list[Any] = [_print_traceback_last, structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())]
        factory: Any = structlog.PrintLoggerFactory(sys.stdout)
    else:
        final = [structlog.processors.format_exc_info, _to_json]
        stream: Any = _Lenient(FileIO(sys.stdout.fileno(), "wb", closefd=False))
        factory = structlog.BytesLoggerFactory(stream)
    structlog.configure(
        processors=shared + final,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_ToStructlog()], level=level, force=True)
    logging.captureWarnings(True)


class _Lenient:
    """A log that cannot be written, on a full disk or into a closed pipe, must not end the jobs. The loss is told
    where lines can be written again."""

    def __init__(self, stream: Any) -> None:  # unbuffered, or what was lost would fail once more at the exit
        self._stream = stream
        self._lost = 0

    def write(self, line: bytes) -> None:
        try:
            if self._lost:
                lost = {"level": "error", "event": "log.lost", "lines": self._lost}
                self._write_all(msgspec.json.encode(lost) + b"\n")
            self._write_all(line)
            self._lost = 0
        except OSError:
            self._lost += 1

    def _write_all(self, line: bytes) -> None:
        while line:
            line = line[self._stream.write(line) :]

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


def _to_json(_logger: Any, _method: str, event: dict[str, Any]) -> bytes:
    words = {"timestamp": event.pop("timestamp"), "level": event.pop("level"), "event": event.pop("event")}
    return msgspec.json.encode(words | event, enc_hook=repr)
