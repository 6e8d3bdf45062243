"""The active span of OpenTelemetry, for programs that use it; the others do not load it."""

import sys
from typing import Any


def active_traceparent() -> str | None:
    """The active span as a traceparent of W3C Trace Context; None where there is none."""
    trace: Any = sys.modules.get("opentelemetry.trace")  # whoever has begun a span has imported it
    if trace is None:
        return None
    span = trace.get_current_span().get_span_context()
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}" if span.is_valid else None
