"""Handlers of a daemon with Sentry's SDK, whose transport writes the events to the file $EVENTS, one a line."""

import asyncio
import json
import os
from pathlib import Path

import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from asyncjobd import Context, JobResult


class ToFile(Transport):
    def capture_envelope(self, envelope: Envelope) -> None:
        event = envelope.get_event()
        if event is not None:
            with Path(os.environ["EVENTS"]).open("a") as file:
                file.write(json.dumps(event, default=str) + "\n")


if "EVENTS" in os.environ:
    sentry_sdk.init(dsn="http://key@localhost/1", transport=ToFile, default_integrations=False)


async def raises(params: object, context: Context) -> None:
    raise KeyError("the reason")


async def raises_lookup(params: object, context: Context) -> None:
    raise LookupError("never there")


async def fails(params: object, context: Context) -> JobResult:
    return JobResult.failed("not today")


async def blocks(params: object, context: Context) -> None:
    await asyncio.sleep(3600)


async def succeeds(params: object, context: Context) -> None:
    sentry_sdk.capture_message("by the handler")
