"""A hook that traces executions with OpenTelemetry: [daemon] hooks =
["asyncjobd_handlers.opentelemetry:trace"].

It needs asyncjobd[otel], and a tracer provider, which `opentelemetry-instrument` sets up, or the module of a
hook or a handler. Without a provider nothing is traced.

Each execution is a span of kind CONSUMER, by the conventions for messaging: the job name is the destination,
the job is the message. It is a child of the span that the job's `traceparent` names, so that a request, its
jobs and their children are one trace. An execution of a recursive job begins a trace of its own, as the
common one would never end. Both link to that span. A traceparent that cannot be read is ignored.
"""

import asyncio

try:
    from opentelemetry.context import Context as TraceContext
    from opentelemetry.trace import (
        Link,
        Span,
        SpanKind,
        Status,
        StatusCode,
        get_current_span,
        get_tracer,
    )
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError as error:
    raise ImportError(f"{error}; it needs opentelemetry-api: pip install 'asyncjobd[otel]'") from error

from asyncjobd import ClaimedJob, Context, JobResult, Outcome, Proceed, __version__

tracer = get_tracer("asyncjobd", __version__)
propagator = TraceContextTextMapPropagator()


async def trace(context: Context, proceed: Proceed) -> JobResult:
    """Trace one execution. If this hook is the outermost one, the span covers the other hooks."""
    job = context.job
    asked = propagator.extract({"traceparent": job.traceparent or ""}, TraceContext())
    asking = get_current_span(asked).get_span_context()
    with tracer.start_as_current_span(
        f"process {job.job_name}",
        context=TraceContext() if job.is_recursive else asked,
        kind=SpanKind.CONSUMER,
        attributes=_attributes(job),
        links=[Link(asking)] if asking.is_valid else [],
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            result = await proceed()
        except BaseException as error:
            _raised(span, context, error)
            raise
        _outcome(span, result.outcome, result.message)
        return result


def _attributes(job: ClaimedJob) -> dict[str, str | int | float]:
    attributes: dict[str, str | int | float] = {
        "messaging.system": "asyncjobd",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": job.job_name,
        "messaging.message.id": str(job.id),
        "asyncjobd.execution_count": job.execution_count,
        "asyncjobd.execution_total": job.execution_total,
        "asyncjobd.max_execution_count": job.max_execution_count,
        "asyncjobd.waited": job.waited,  # seconds
    }
    if job.parent_id is not None:
        attributes["asyncjobd.parent_id"] = job.parent_id
    return attributes


def _raised(span: Span, context: Context, error: BaseException) -> None:
    if context.stop_reason is None or not isinstance(error, asyncio.CancelledError):
        span.record_exception(error)
    if context.stop_reason is None:
        _outcome(
            span, Outcome.FAILED, f"{type(error).__name__}: {error}", error_type=type(error).__qualname__
        )
    else:
        _outcome(span, context.stop_reason, None)


def _outcome(span: Span, outcome: Outcome, message: str | None, error_type: str | None = None) -> None:
    span.set_attribute("asyncjobd.outcome", outcome.value)
    if outcome.is_failure:
        span.set_attribute("error.type", error_type or outcome.value)
        span.set_status(Status(StatusCode.ERROR, message))
