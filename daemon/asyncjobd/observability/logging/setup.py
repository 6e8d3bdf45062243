"""Structured logs: readable text on a terminal, entries of the journal under systemd, JSON lines elsewhere.

Log calls of structlog and of the standard library's logging, also those of libraries and handlers, end up in
one output. Lines of a handler carry job_id, job_name and execution_count.
"""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from asyncjobd.config.model import Config, LoggingConfig
from asyncjobd.job import current_job
from asyncjobd.observability.logging import journal
from asyncjobd.observability.logging.console import Console
from asyncjobd.observability.logging.json_lines import JsonLines, as_plain, as_text
from asyncjobd.observability.logging.kept_log import keep
from asyncjobd.observability.logging.writer import Stream, Writer

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_final_processors: list[
    Any
] = []  # structlog's last ones, which render an event; empty: logging is not set up
_together: JsonLines | None = None  # renders many events at once; None where each is to be processed
_writer: Writer | None = None
_level = logging.INFO
_job_levels: dict[str, int] = {}  # by job name


def configure(config: LoggingConfig, processors: Sequence[Processor] = ()) -> None:
    """Set up logging, once a process. From then on a log call never waits for the reader of the log.

    Args:
        config: The table [logging].
        processors: See each event before it is rendered; exceptions are text then. Default: none.
    """
    global _final_processors, _together, _writer
    form = config.format if config.format != "auto" else _suitable_format()
    render = {"console": Console, "json": JsonLines}.get(form, lambda: journal.entry)()
    has_text = form != "console" or processors
    _final_processors = [*([structlog.processors.format_exc_info] if has_text else []), *processors, render]
    _together = render if isinstance(render, JsonLines) and not processors else None
    sink = journal.Journal() if form == "journal" else Stream(sys.stdout.fileno())
    _writer = Writer(sink, _render_lost)
    _redirect_standard_logging()
    set_levels(config.level, {})


def _suitable_format() -> str:
    if sys.stdout.isatty():
        return "console"
    return "journal" if journal.is_standard_output() else "json"


def _redirect_standard_logging() -> None:
    """Pass the records of the standard library's logging, and Python's warnings, to structlog."""
    logging.basicConfig(handlers=[_ToStructlog()], force=True)
    logging.captureWarnings(True)


def set_levels(level: str, of_jobs: Mapping[str, str], *, keeps_logs: bool = False) -> None:
    """Set the lowest level that is logged. It takes effect at once, also for loggers that exist.

    Nothing happens before `configure` or `forward_to`, such as in a test of handlers.

    Args:
        level: "debug", "info", "warning" or "error".
        of_jobs: Levels that replace it for the jobs of some names.
        keeps_logs: Whether executions may keep what they log; see `kept_log`. Default: none does.
    """
    if not _final_processors:
        return
    global _level, _job_levels
    _level, _job_levels = LEVELS[level], {name: LEVELS[each] for name, each in of_jobs.items()}
    lowest = min([_level, *_job_levels.values()])
    *site, render = _final_processors
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, _add_job,
            _drop_below_level, *site, *([keep] if keeps_logs else []), render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=lambda *_: _Output(),
        cache_logger_on_first_use=False,
    )  # fmt: skip
    logging.getLogger().setLevel(lowest)


def apply_config(config: Config) -> None:
    """Set the levels, and whether logs are kept, to those of the configuration and its actions."""
    levels = {name: action.log_level for name, action in config.actions.items() if action.log_level}
    keeps_logs = any(action.keep_log is not None for action in config.actions.values())
    set_levels(config.logging.level, levels, keeps_logs=keeps_logs)


def forward_to(forward: Callable[[str, str, bytes], None]) -> None:
    """Set up logging in a worker process, in place of `configure`, to forward events to the daemon.

    Args:
        forward: Called with level, event and the remaining fields as JSON. The daemon passes them to
            `log_forwarded`.
    """
    global _final_processors
    encode = msgspec.json.Encoder(enc_hook=repr).encode

    def forward_event(_logger: Any, _method: str, event: dict[str, Any]) -> NoReturn:
        level, name = event.pop("level"), as_text(event.pop("event", None))
        try:
            fields = encode(event)
        except Exception:  # a value that cannot be encoded must not fail the code that logs it
            fields = encode(as_plain(event))
        forward(level, name, fields)
        raise structlog.DropEvent

    _final_processors = [structlog.processors.format_exc_info, forward_event]
    _redirect_standard_logging()


def log_forwarded(level: str, event: str, fields: bytes) -> None:
    """Log an event of a worker process, as given to the callback of `forward_to` there."""
    getattr(structlog.get_logger().bind(**msgspec.json.decode(fields)), level)(event)


def job_level(job_name: str) -> str:
    """Return the lowest level that is logged for jobs of this name."""
    return logging.getLevelName(_job_levels.get(job_name, _level)).lower()


def info_each(event: str, lines: list[dict[str, Any]]) -> None:
    """Log an info event for each dictionary of fields, none of which may be None.

    Equivalent to `log.info(event, **line)` for each, but the lines are rendered together in a tenth of the
    time, which matters for an event of every job. Each line must have a `job_name`.
    """
    if _job_levels:
        lines = [line for line in lines if _job_levels.get(line["job_name"], _level) <= logging.INFO]
    elif _level > logging.INFO:
        return
    if _together is not None:
        if lines:
            _put(_together.render("info", event, lines))
    else:
        for line in lines:
            structlog.get_logger().info(event, **line)


def lost_lines() -> int:
    """Return how many lines were lost since the start: not written, or dropped because nobody read them."""
    return 0 if _writer is None else _writer.lost


def close() -> None:
    """Write the lines that wait; called at the exit of the process as well."""
    if _writer is not None:
        _writer.close()


class _Output:
    """The logger that structlog gives rendered lines to."""

    def put(self, line: bytes) -> None:
        _put(line)

    debug = info = warning = error = critical = put


def _put(lines: bytes) -> None:
    if _writer is not None:
        _writer.put(lines)


class _ToStructlog(logging.Handler):
    """A handler of the standard library's logging that passes records to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        # Libraries have levels of their own between the standard ones: round down to the next standard level.
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        try:
            structlog.get_logger().log(
                level, record.getMessage(), logger=record.name, exc_info=record.exc_info
            )
        except Exception:  # the arguments may not fit the message
            self.handleError(record)


def _render_lost(count: int) -> bytes:
    """Return the rendered event that reports lost lines."""
    return bytes(
        _final_processors[-1](None, "error", {"level": "error", "event": "log.lost", "lines": count})
    )


def _add_job(_logger: Any, _method: str, event: EventDict) -> EventDict:
    job = current_job.get(None)
    if job is not None and "job_id" not in event:
        event.update(job.as_logged)
    return event


def _drop_below_level(_logger: Any, method: str, event: EventDict) -> EventDict:
    """Drop an event of a job whose level is higher than the lowest of all."""
    if not _job_levels:
        return event
    if LEVELS.get(method, logging.CRITICAL) < _job_levels.get(event.get("job_name", ""), _level):
        raise structlog.DropEvent
    return event
