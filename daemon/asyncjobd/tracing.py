"""The active OpenTelemetry span of programs that use it; other programs do not import OpenTelemetry."""

import sys
from typing import Any


def active_traceparent() -> str | None:
    """Return the active span as a traceparent (W3C Trace Context), or None if no span is active."""
    trace: Any = sys.modules.get("opentelemetry.trace")  # a program that has started a span has imported it
    if trace is None:
        return None
    span = trace.get_current_span().get_span_context()
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}" if span.is_valid else None
