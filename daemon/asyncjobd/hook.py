"""Hooks: code around every execution, for tracing, metrics, alerts and the like.

A hook is an async callable that takes the `Context` of an execution and `proceed`, and returns a `JobResult`.
It is either a function or an instance of `Hook`:

    async def timed(context: Context, proceed: Proceed) -> JobResult:
        started_at = monotonic()
        result = await proceed()
        context.log.info("took", seconds=monotonic() - started_at, outcome=result.outcome)
        return result

`[daemon] hooks` lists the hooks by "module:attribute", outermost first. Each call of `proceed` runs the next
hook; the last hook's `proceed` runs the handler. A hook may call it once. A hook that never calls it decides
the result itself, and the handler does not run.

A hook runs inside the timeout of the execution. `context.job.params` is the JSON text of the row.

**What proceed returns or raises**

- The handler's `JobResult`; None has become a success.
- The exception that the handler raised, or `ParamsError` if the params do not match the handler's type. Raise
  it again. An exception of a handler with `isolation = "process"` stays in its worker process: here it is a
  `JobResult` with the outcome failed, or fatal_error where the action's `fatal_exceptions` have it.
- `asyncio.CancelledError` if the execution was asked to end, and `context.stop_reason` says why. `TIMEOUT`:
  it ran longer than its timeout, even if the handler returned a result afterwards. `STOPPED`: a client
  stopped the job or the daemon is shutting down, which is not a failure.

**What the hook decides**

The result that a hook returns replaces the one it received. The handler's transaction is rolled back as soon
as the handler raises, or returns a result that is neither success nor completed: a hook that turns it into a
success cannot bring back what was written. Otherwise it commits after the outermost hook has returned, if the
result is still one of these two. Hooks do not learn of a commit that fails.

**Errors of a hook**

A hook that fails before the handler has run fails the execution with `HookError`. An error of a hook after
the handler, and a hook that is still running at the timeout, are logged as `hook.failed`, and the handler's
outcome stands.
"""

from collections.abc import Awaitable, Callable

from asyncjobd.context import Context
from asyncjobd.result import JobResult, Outcome, timed_out

Proceed = Callable[[], Awaitable[JobResult]]
"""Runs the next hook, or the handler, and returns how it ended."""


class Hook:
    """A hook with a method for each moment of an execution; override those of interest.

    The configuration names an instance, or the class, which is then instantiated without arguments. One
    instance serves all executions, concurrently, until the configuration is reloaded.
    """

    async def before_execute(self, context: Context) -> None:
        """Run before the handler. An exception fails the execution, and the handler does not run."""

    async def after_execute(self, context: Context, result: JobResult) -> JobResult | None:
        """Run after the handler has returned a result; not after an exception or a cancellation.

        Return a result to replace the handler's, or None to keep it.
        """

    async def on_failed(self, context: Context, reason: JobResult | BaseException) -> None:
        """Run after an execution has failed, whether or not the job is tried again.

        Not called when a client stopped the job or the daemon is shutting down. After a timeout it has one
        second before it is cancelled.

        Args:
            reason: The exception that the handler raised, or the result: failed, fatal_error or timeout.
        """

    async def __call__(self, context: Context, proceed: Proceed) -> JobResult:
        """Call the methods around `proceed`."""
        await self.before_execute(context)
        try:
            result = await proceed()
        except BaseException as error:
            if context.stop_reason is Outcome.TIMEOUT:
                await self.on_failed(context, timed_out(context.job.timeout))
            elif context.stop_reason is None:
                await self.on_failed(context, error)
            raise
        result = await self.after_execute(context, result) or result
        if result.outcome.is_failure:
            await self.on_failed(context, result)
        return result
