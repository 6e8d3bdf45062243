"""The hooks of the configuration, loaded by name and wrapped around a handler. See asyncjobd/hook.py."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog

from asyncjobd.actions.exceptions import ExceptionRules
from asyncjobd.actions.handler_results import COMMITTING_OUTCOMES, as_result, is_fatal
from asyncjobd.actions.handlers import LoadedHandler, RunHandler
from asyncjobd.actions.imports import LoadError, is_async, load_object
from asyncjobd.context import Context
from asyncjobd.forks import exit_if_child
from asyncjobd.hook import Hook, Proceed
from asyncjobd.result import JobResult, Outcome

RunLayer = Callable[[Context], Awaitable[JobResult]]

log = structlog.get_logger("asyncjobd.hook")


class HookError(Exception):
    """Raised when a hook fails before the handler has run."""


@dataclass(frozen=True, slots=True)
class LoadedHook:
    """A hook that was imported and checked. `name` is its "module:attribute"."""

    name: str
    call: Callable[[Context, Proceed], Awaitable[JobResult]]


def load_hook(name: str) -> LoadedHook:
    """Import and return the hook called "module:attribute"; a Hook class is instantiated.

    Raise LoadError if it cannot be imported, or is no hook.
    """
    target = load_object(name)
    try:
        if isinstance(target, type) and issubclass(target, Hook):
            target = target()
        _check_hook(target)
    except Exception as error:
        raise LoadError(f"{name!r} cannot be a hook: {error}") from error
    return LoadedHook(name, target)


def _check_hook(target: object) -> None:
    """Raise TypeError if the object cannot be called as a hook."""
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


def wrap_in_hooks(
    handler: LoadedHandler, hooks: Sequence[LoadedHook], exceptions: ExceptionRules
) -> LoadedHandler:
    """Return the handler with the hooks around it, the first one outermost. `exceptions`: those of the action."""
    if not hooks:
        return handler
    run: RunLayer = _HandlerLayer(handler.run)
    for hook in reversed(hooks):
        run = _HookLayer(hook, run, partial(is_fatal, rules=exceptions))
    return replace(handler, run=run)


class _HandlerLayer:
    """The innermost layer: it runs the handler, and rolls back its transaction unless that is to commit."""

    def __init__(self, run_handler: RunHandler) -> None:
        self._run_handler = run_handler

    async def __call__(self, context: Context) -> JobResult:
        try:
            try:
                result = as_result(await self._run_handler(context))
            finally:
                exit_if_child()
        except BaseException as error:
            await context.roll_back(error)
            raise
        if result.outcome not in COMMITTING_OUTCOMES:
            await context.roll_back(None)
        if context.stop_reason is Outcome.TIMEOUT:  # it returned, but too late
            raise asyncio.CancelledError
        return result


class _HookLayer:
    """A hook around the inner layers. It keeps their outcome if the hook fails after them."""

    def __init__(self, hook: LoadedHook, inner: RunLayer, is_fatal: Callable[[BaseException], bool]) -> None:
        self._hook = hook
        self._inner = inner
        self._is_fatal = is_fatal

    async def __call__(self, context: Context) -> JobResult:
        proceed = _Proceed(self._inner, context)
        context.is_fatal = self._is_fatal
        try:
            return await self._run_hook(context, proceed)
        finally:
            # Breaks a reference cycle: its traceback refers to frames that hold `proceed`
            proceed.error = None

    async def _run_hook(self, context: Context, proceed: "_Proceed") -> JobResult:
        name = self._hook.name
        try:
            return _require_result(await self._hook.call(context, proceed))
        except BaseException as error:
            if error is proceed.error:
                raise
            if proceed.is_settled:
                log.error(
                    "hook.failed", hook=name, consequence="the handler's outcome stands", exc_info=error
                )
            elif isinstance(error, asyncio.CancelledError):
                if context.stop_reason is Outcome.TIMEOUT:
                    log.error("hook.failed", hook=name, consequence="the handler did not run", exc_info=error)
                raise
            else:
                raise HookError(f"the hook {name!r} failed: {type(error).__name__}: {error}") from error
        finally:
            if proceed.result is not None and context.stop_reason is Outcome.TIMEOUT:
                context.stop_reason = None  # the handler had ended in time; only the hook was too slow
        if proceed.error is not None:
            raise proceed.error
        assert proceed.result is not None
        return proceed.result


class _Proceed:
    """The callable that a hook gets to run the inner layers once. It keeps their result or exception."""

    __slots__ = ("_context", "_inner", "_is_called", "error", "result")

    def __init__(self, inner: RunLayer, context: Context) -> None:
        self._inner = inner
        self._context = context
        self._is_called = False
        self.result: JobResult | None = None
        self.error: BaseException | None = None

    async def __call__(self) -> JobResult:
        if self._is_called:
            raise RuntimeError("proceed was called twice")
        self._is_called = True
        try:
            self.result = await self._inner(self._context)
        except BaseException as error:
            self.error = error
            raise
        return self.result

    @property
    def is_settled(self) -> bool:
        """True if the inner layers have ended, other than by a cancellation that the hook caused."""
        if isinstance(self.error, asyncio.CancelledError):
            return self._context.stop_reason is not None
        return self.result is not None or self.error is not None


def _require_result(returned: object) -> JobResult:
    """Return the return value of a hook. Raise TypeError if it is no JobResult."""
    if returned is None or as_result(returned) is not returned:
        raise TypeError(f"the hook returned {returned!r:.200}: expected a JobResult")
    return returned
