"""A hook that tells Sentry of failures: [daemon] hooks = ["asyncjobd_handlers.sentry:capture"].

It needs asyncjobd[sentry], and somebody who calls `sentry_sdk.init`: the module of a hook or a handler. Without that
nothing is sent.

`capture` tells of the failure that ends a job, and of each failed time of a recursive one; not of a failure after which
it is tried again, of which `capture_all` tells too. A stop by a client or by the daemon's end is no failure. What the
handler tells Sentry itself has the same tags. Params are not sent.
"""

from collections.abc import Callable

try:
    import sentry_sdk
except ImportError as error:
    raise ImportError(f"{error}; it needs sentry-sdk: pip install 'asyncjobd[sentry]'") from error

from asyncjobd import Context, JobResult, Outcome, Proceed

Reason = JobResult | BaseException


async def capture(context: Context, proceed: Proceed) -> JobResult:
    """Tell of the failures that no try follows."""
    return await _capture(context, proceed, context.is_final)


async def capture_all(context: Context, proceed: Proceed) -> JobResult:
    """Tell of all failures."""
    return await _capture(context, proceed, lambda _: True)


async def _capture(context: Context, proceed: Proceed, is_told: Callable[[Reason], bool]) -> JobResult:
    job = context.job
    with sentry_sdk.isolation_scope() as scope:
        scope.clear_breadcrumbs()  # those of the daemon
        scope.set_transaction_name(job.job_name)
        scope.set_tags({"job": job.id, "action": job.job_name, "try": job.execution_count})
        scope.set_context("job", {"tries": job.max_execution_count, "waited_seconds": job.waited})
        try:
            result = await proceed()
        except BaseException as error:
            if context.stop_reason is Outcome.TIMEOUT:
                if is_told(error):
                    scope.capture_message(f"{job.job_name}: still running after its timeout", "error")
            elif context.stop_reason is None and is_told(error):
                scope.capture_exception(error)
            raise
        if result.outcome.is_failure and is_told(result):
            scope.capture_message(f"{job.job_name}: {result.message or result.outcome}", "error")
        return result
