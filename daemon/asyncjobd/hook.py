"""Hooks run around every execution, as the layers of an onion around its handler: [daemon] hooks, the outermost first.

    async def timed(context: Context, proceed: Proceed) -> JobResult:
        began = monotonic()
        result = await proceed()
        context.log.info("took", seconds=monotonic() - began, outcome=result.outcome)
        return result

A hook is an async callable of this form: a function, or a `Hook`. It runs inside the handler's context, within its
timeout, and has the params as the row's JSON in `context.job.params`. `proceed` runs the next hook, the last one's the
handler, at most once; a hook that does not call it answers in the handler's place. What a hook answers counts: a result
that is not done undoes the handler's transaction, and one that is done cannot bring back what the handler gave up.

What comes out of `proceed`: the handler's `JobResult` (None is success); what the handler raised, or that its params
do not fit (of an isolated handler the JobResult that this is: an exception stays in its process); CancelledError where
it was asked to end, and `context.ending` says why: TIMEOUT (also of one that answers all the same, too late) or STOPPED
(by a client, or with the daemon: nothing has failed). Exceptions are to be raised again. After the hooks the result is
stored and the transaction commits: where that fails, none of them is told.

A hook that fails before the handler fails the execution. One that fails after it, or that takes until the timeout, is
logged as `hook.failed` and changes nothing.
"""

from collections.abc import Awaitable, Callable

from asyncjobd.context import Context
from asyncjobd.result import JobResult, Outcome, timed_out

Proceed = Callable[[], Awaitable[JobResult]]


class Hook:
    """Override what is of interest: each does nothing here. One instance serves all executions until a reload, many at
    a time; the configuration names it, or the class, which is then made without arguments."""

    async def before_execute(self, context: Context) -> None:
        """What it raises fails the execution, whose handler then does not run."""

    async def after_execute(self, context: Context, result: JobResult) -> JobResult | None:
        """The handler has answered; not called where it raised, or was cancelled. Answers what takes the place of the
        result; None: it stays as it is."""

    async def on_failed(self, context: Context, reason: JobResult | BaseException) -> None:
        """The execution has failed, whether or not it is tried again: the result (failed, fatal_error, or timeout), or
        what the handler raised. Not called where a client or the end of the daemon stopped it. After a timeout it is
        cancelled if it takes more than a second."""

    async def __call__(self, context: Context, proceed: Proceed) -> JobResult:
        await self.before_execute(context)
        try:
            result = await proceed()
        except BaseException as error:
            if context.ending is Outcome.TIMEOUT:
                await self.on_failed(context, timed_out(context.job.timeout))
            elif context.ending is None:
                await self.on_failed(context, error)
            raise
        result = await self.after_execute(context, result) or result
        if result.outcome.is_failure:
            await self.on_failed(context, result)
        return result
