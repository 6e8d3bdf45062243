"""Hooks, loaded by their names and run as layers around a handler. What they are for: asyncjobd/hook.py."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from asyncjobd.actions.handlers import LoadedHandler
from asyncjobd.actions.objects import LoadError, is_async, load_object
from asyncjobd.actions.outcomes import DONE, as_result
from asyncjobd.context import Context
from asyncjobd.forks import end_child
from asyncjobd.hook import Hook, Proceed
from asyncjobd.result import JobResult, Outcome

Run = Callable[[Context], Awaitable[JobResult]]

log = structlog.get_logger("asyncjobd.hook")


class HookError(Exception):
    """A hook failed before the handler had run."""


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


def wrap(handler: LoadedHandler, hooks: Sequence[LoadedHook]) -> LoadedHandler:
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
                result = as_result(await self._run(context))
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
    if answer is None or as_result(answer) is not answer:
        raise TypeError(f"it answered {answer!r:.200}: expected a JobResult")
    return answer
