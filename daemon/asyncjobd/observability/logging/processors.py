"""Processors of the site: functions that see each event of the log before it is written, to redact it or to add to it.

They are structlog's: called with the logger, the method and the event, a dictionary, of which they return one. One that
raises structlog.DropEvent drops the event. They run where the log call is made, in any thread.
"""

from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from asyncjobd.actions.catalog import extend_import_path
from asyncjobd.actions.imports import LoadError, is_async, load_object
from asyncjobd.config.errors import ConfigError
from asyncjobd.config.model import Config


def load_processors(config: Config) -> list[Processor]:
    """Import and return the processors of [logging]. Raise ConfigError if one cannot be imported or called."""
    extend_import_path(config)
    try:
        return [_SiteProcessor(name, _load(name)) for name in config.logging.processors]
    except LoadError as error:
        raise ConfigError(f"{config.path}: [logging] processors: {error}") from error


def _load(name: str) -> Processor:
    target: Processor = load_object(name)
    if isinstance(target, type) or not callable(target) or is_async(target):
        raise LoadError(f"{name!r} is no function of logger, method and event that returns the event")
    return target


class _SiteProcessor:
    """A processor whose mistakes fail no log call: the event is withheld, as it may hold what was to be redacted."""

    def __init__(self, name: str, process: Processor) -> None:
        self._name = name
        self._process = process

    def __call__(self, logger: Any, method: str, event: EventDict) -> EventDict:
        level, job_id = event["level"], event.get("job_id")
        try:
            processed = self._process(logger, method, event)
            if not isinstance(processed, Mapping):
                raise TypeError(f"it returned {type(processed).__name__}, expected the event")
            return {**processed, "level": level}
        except structlog.DropEvent:
            raise
        except Exception as error:
            job = {} if job_id is None else {"job_id": job_id}
            return {
                "level": "error", "event": "log.withheld", **job, "processor": self._name,
                "reason": type(error).__name__,
            }  # fmt: skip
