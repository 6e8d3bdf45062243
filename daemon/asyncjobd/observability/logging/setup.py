"""Structured logs: for people on a terminal, fields of the journal under systemd, JSON lines else. What libraries and
handlers log comes the same way, and inside a handler with its job's id, name and count."""

import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import msgspec
import structlog
from structlog.typing import EventDict

from asyncjobd.config.model import Config, LoggingConfig
from asyncjobd.job import current_job
from asyncjobd.observability.logging import journal
from asyncjobd.observability.logging.json_lines import JsonLines, plain, shown
from asyncjobd.observability.logging.writer import Stream, Writer

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(config: LoggingConfig) -> None:
    """Once a process: from here on nothing that is logged waits for whoever reads it."""
    global _final, _writer
    form = config.format if config.format != "auto" else _suitable()
    render = {"console": _Console, "json": JsonLines}.get(form, lambda: journal.entry)()
    _final = [render] if form == "console" else [structlog.processors.format_exc_info, render]
    _writer = Writer(journal.Journal() if form == "journal" else Stream(sys.stdout.fileno()), _lost)
    _take_in()
    set_levels(config.level, {})


def _take_in() -> None:
    """What the standard library's logging has, and its warnings."""
    logging.basicConfig(handlers=[_ToStructlog()], force=True)
    logging.captureWarnings(True)


def set_levels(level: str, of_jobs: Mapping[str, str]) -> None:
    """From here on, also of loggers that are there: what is logged at all, and of jobs by their names. Where nobody has
    called `configure` or `report_to`, as in a test of handlers, logging is left as it is."""
    if not _final:
        return
    global _level, _levels
    _level, _levels = LEVELS[level], {name: LEVELS[each] for name, each in of_jobs.items()}
    lowest = min([_level, *_levels.values()])
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, _add_job, _drop_quiet, *_final,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=lambda *_: _Output(),
        cache_logger_on_first_use=False,
    )  # fmt: skip
    logging.getLogger().setLevel(lowest)


def apply_levels(config: Config) -> None:
    """Log at the levels of this configuration from now on."""
    levels = {name: action.log_level for name, action in config.actions.items() if action.log_level}
    set_levels(config.logging.level, levels)


def report_to(report: Callable[[str, str, bytes], None]) -> None:
    """In place of `configure`, in a process whose log is its parent's: level, event and the rest as JSON, for
    `take_over` there."""
    global _final
    encode = msgspec.json.Encoder(enc_hook=repr).encode

    def hand_over(_logger: Any, _method: str, event: dict[str, Any]) -> NoReturn:
        level, said = event.pop("level"), shown(event.pop("event", None))
        try:
            fields = encode(event)
        except Exception:  # what cannot be logged fails nobody
            fields = encode(plain(event))
        report(level, said, fields)
        raise structlog.DropEvent

    _final = [structlog.processors.format_exc_info, hand_over]
    _take_in()


def take_over(level: str, event: str, fields: bytes) -> None:
    """Logs what another process has."""
    getattr(structlog.get_logger().bind(**msgspec.json.decode(fields)), level)(event)


def level_of(job_name: str) -> str:
    """From which on what is logged about its jobs is."""
    return logging.getLevelName(_levels.get(job_name, _level)).lower()


def info_each(event: str, lines: list[dict[str, Any]]) -> None:
    """As `info(event, **line)` for each of the lines, none of whose values is None; in one write and a tenth of the
    time, for what is logged of every job."""
    if _levels:
        lines = [line for line in lines if _levels.get(line["job_name"], _level) <= logging.INFO]
    elif _level > logging.INFO:
        return
    if _final and isinstance(_final[-1], JsonLines):
        if lines:
            _put(_final[-1].render("info", event, lines))
    else:
        for line in lines:
            structlog.get_logger().info(event, **line)


def lost_lines() -> int:
    """How many could not be written since the start, or were dropped as nobody read them."""
    return 0 if _writer is None else _writer.lost


def close() -> None:
    """Writes what is there; at the end of the process by itself."""
    if _writer is not None:
        _writer.close()


def _suitable() -> str:
    if sys.stdout.isatty():
        return "console"
    return "journal" if journal.is_standard_output() else "json"


class _Output:
    """What structlog hands the rendered lines to."""

    def put(self, line: bytes) -> None:
        _put(line)

    debug = info = warning = error = critical = put


def _put(lines: bytes) -> None:
    if _writer is not None:
        _writer.put(lines)


class _ToStructlog(logging.Handler):
    """Records of the standard library's logging, as events of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        level = min(
            max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL
        )  # libraries have some between
        try:
            structlog.get_logger().log(
                level, record.getMessage(), logger=record.name, exc_info=record.exc_info
            )
        except Exception:  # such as arguments that do not fit the message
            self.handleError(record)


def _lost(count: int) -> bytes:
    line: Any = {"level": "error", "event": "log.lost", "lines": count}
    for processor in _final:
        line = processor(None, "error", line)
    return bytes(line)


def _add_job(_logger: Any, _method: str, event: EventDict) -> EventDict:
    job = current_job.get(None)
    if job is not None and "job_id" not in event:
        event.update(job.as_logged)
    return event


def _drop_quiet(_logger: Any, method: str, event: EventDict) -> EventDict:
    if _levels and LEVELS.get(method, logging.CRITICAL) < _levels.get(event.get("job_name", ""), _level):
        raise structlog.DropEvent
    return event


class _Console:
    """A job's traceback is shown as an exception's is, below the line."""

    def __init__(self) -> None:
        self._stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
        self._render = structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())

    def __call__(self, logger: Any, method: str, event: dict[str, Any]) -> bytes:
        if "traceback" in event:
            event["exception"] = event.pop("traceback")
        event = {key: value for key, value in event.items() if value is not None}
        return f"{self._render(logger, method, self._stamp(logger, method, event))}\n".encode()


_final: list[Any] = []  # structlog's last processors, which make bytes of an event
_writer: Writer | None = None
_level = logging.INFO
_levels: dict[str, int] = {}  # of jobs, by name
