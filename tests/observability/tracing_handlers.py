"""Handlers in a daemon that traces; it writes its spans to the file $SPANS, one a line."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from asyncjobd import Context, JobBuilder, JobResult


class ToFile(SpanExporter):
    def __init__(self, file: Path) -> None:
        self._file = file

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with self._file.open("a") as file:
            file.writelines(span.to_json(indent=None) + "\n" for span in spans)
        return SpanExportResult.SUCCESS


if "SPANS" in os.environ:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ToFile(Path(os.environ["SPANS"]))))
    trace.set_tracer_provider(provider)


async def has_child(params: dict[str, str], context: Context) -> None:
    with trace.get_tracer("test").start_as_current_span("in the handler"):
        await context.client.insert(JobBuilder(params["child"]).build())


def succeeds(params: object, context: Context) -> None:
    """Add to the active span from a thread."""
    trace.get_current_span().add_event("in the thread")


async def fails(params: object, context: Context) -> JobResult:
    return JobResult.failed("not today")


async def raises(params: object, context: Context) -> None:
    raise KeyError("the reason")


async def blocks(params: object, context: Context) -> None:
    await asyncio.sleep(3600)
