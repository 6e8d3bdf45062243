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

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from asyncjobd.context import Context
from asyncjobd.forks import end_child
from asyncjobd.handler import Handler
from asyncjobd.loading import LoadError, is_async, load_object
from asyncjobd.result import DONE, JobResult, Outcome, timed_out, understand

Proceed = Callable[[], Awaitable[JobResult]]
Run = Callable[[Context], Awaitable[JobResult]]

log = structlog.get_logger("asyncjobd.hook")


class HookError(Exception):
    """A hook failed before the handler had run."""


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


@dataclass(frozen=True, slots=True)
class LoadedHook:
    name: str
    call: Callable[[Context, Proceed], Awaitable[JobResult]]


def load_hook(name: str) -> LoadedHook:
    """The hook called "module:attribute". Raises LoadError."""
    target = load_object(name)
    try:
        if isinstance(target, type) and issubclass(target, Hook):
            target = target()
        _check(target)
    except Exception as error:
        raise LoadError(f"{name!r} cannot be a hook: {error}") from error
    return LoadedHook(name, target)


def _check(target: object) -> None:
    if isinstance(target, Hook):
        for method in (target.before_execute, target.after_execute, target.on_failed):
            if not is_async(method):
                raise TypeError(f"its {method.__name__} is not an async def")
    if isinstance(target, type) or not callable(target):
        raise TypeError("it is neither an async function nor a Hook")
    if not (is_async(target) or is_async(type(target).__call__)):
        raise TypeError("it is not an async def")
    try:
        inspect.signature(target).bind(None, None)
    except TypeError as error:
        raise TypeError(f"it must take two arguments, context and proceed: {error}") from error


def wrap(handler: Handler, hooks: Sequence[LoadedHook]) -> Handler:
    """The handler with the hooks around it."""
    if not hooks:
        return handler
    run: Run = _Core(handler.run)
    for hook in reversed(hooks):
        run = _Layer(hook, run)
    return replace(handler, run=run)


class _Core:
    """The handler."""

    def __init__(self, run: Callable[[Context], Awaitable[object]]) -> None:
        self._run = run

    async def __call__(self, context: Context) -> JobResult:
        try:
            try:
                result = understand(await self._run(context))
            finally:
                end_child()
        except BaseException as error:
            await context.undo(error)
            raise
        if result.outcome not in DONE:
            await context.undo(None)
        if context.ending is Outcome.TIMEOUT:
            raise asyncio.CancelledError
        return result


class _Layer:
    """A hook around what is inside of it."""

    def __init__(self, hook: LoadedHook, inside: Run) -> None:
        self._hook = hook
        self._inside = inside

    async def __call__(self, context: Context) -> JobResult:
        proceed = _Proceed(self._inside, context)
        try:
            return await self._call(context, proceed)
        finally:
            proceed.error = None  # its traceback holds frames that have `proceed`: each would keep the other

    async def _call(self, context: Context, proceed: "_Proceed") -> JobResult:
        name = self._hook.name
        try:
            return _checked(await self._hook.call(context, proceed))
        except BaseException as error:
            if error is proceed.error:
                raise
            if not proceed.is_settled and isinstance(error, asyncio.CancelledError):
                if context.ending is Outcome.TIMEOUT:
                    log.error("hook.failed", hook=name, consequence="the handler did not run", exc_info=error)
                raise
            if not proceed.is_settled:
                raise HookError(f"the hook {name!r} failed: {type(error).__name__}: {error}") from error
            log.error("hook.failed", hook=name, consequence="what the handler came to counts", exc_info=error)
        finally:
            if proceed.result is not None and context.ending is Outcome.TIMEOUT:  # which the handler has kept
                context.ending = None
        if proceed.error is not None:
            raise proceed.error
        assert proceed.result is not None
        return proceed.result


class _Proceed:
    """What a hook goes on with; knows what came of it."""

    __slots__ = ("_context", "_inside", "_is_called", "error", "result")

    def __init__(self, inside: Run, context: Context) -> None:
        self._inside = inside
        self._context = context
        self._is_called = False
        self.result: JobResult | None = None
        self.error: BaseException | None = None

    async def __call__(self) -> JobResult:
        if self._is_called:
            raise RuntimeError("proceed was called twice")
        self._is_called = True
        try:
            self.result = await self._inside(self._context)
        except BaseException as error:
            self.error = error
            raise
        return self.result

    @property
    def is_settled(self) -> bool:
        """The execution has an end already. A cancellation that nobody asked for is the hook's own."""
        if isinstance(self.error, asyncio.CancelledError):
            return self._context.ending is not None
        return self.result is not None or self.error is not None


def _checked(answer: object) -> JobResult:
    """A hook's answer. Raises TypeError where it is none."""
    if answer is None or understand(answer) is not answer:
        raise TypeError(f"it answered {answer!r:.200}: expected a JobResult")
    return answer
