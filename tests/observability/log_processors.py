"""Processors of the log."""

import logging
from typing import Any

import structlog

from asyncjobd import Context

SECRET = "hunter2"


def redact(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value.replace(SECRET, "***") if isinstance(value, str) else value for key, value in event.items()
    }


def drops_and_fails(logger: Any, method: str, event: dict[str, Any]) -> Any:
    if event["event"] == "to be dropped":
        raise structlog.DropEvent
    if event["event"] == "fails":
        raise ValueError(SECRET)
    if event["event"] == "is swallowed":
        return None
    return event


async def no_processor(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    return event


async def tells_a_secret(params: object, context: Context) -> None:
    for event in ("to be dropped", "fails", "is swallowed"):
        context.log.info(event, password=SECRET)
    logging.getLogger("a.library").warning("logged in with %s", SECRET)
    raise ValueError(f"wrong password: {SECRET}")


async def succeeds_quietly(params: object, context: Context) -> None:
    pass
