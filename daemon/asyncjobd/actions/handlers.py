"""Handlers: loaded by "module:attribute", and turned into one kind of callable."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, get_type_hints

import msgspec

from asyncjobd.actions.imports import LoadError, is_async, load_object
from asyncjobd.config.tables import read_units
from asyncjobd.context import Context
from asyncjobd.forks import exit_if_child
from asyncjobd.handler import JobHandler, params_type
from asyncjobd.params import ParamsType, convert, describe_mismatch


class OptionsError(LoadError):
    """Raised when the options of an action do not match the type that its handler declares."""


RunHandler = Callable[[Context], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class LoadedHandler:
    """A handler that was imported and checked.

    Attributes:
        name: Its "module:attribute".
        params: The type of its params.
        run: Runs it, and returns whatever the handler returns. Raises ParamsError before the handler starts.
        description: The first paragraph of its docstring, or None.
    """

    name: str
    params: ParamsType
    run: RunHandler
    description: str | None = None

    @property
    def params_schema(self) -> dict[str, Any] | None:
        """The JSON Schema of the params with the handler's description; None if there is neither."""
        description = {"description": self.description} if self.description else {}
        return description | (self.params.schema or {}) or None


def load_handler(
    name: str, threads: Executor | None = None, options: Mapping[str, Any] = MappingProxyType({})
) -> LoadedHandler:
    """Import and return the handler called "module:attribute".

    Raise LoadError if it cannot be imported or is no handler, and OptionsError if the options do not match.

    Args:
        name: The name.
        threads: Runs synchronous functions. Default: a new thread pool.
        options: The table [actions.NAME.options]. Default: empty.
    """
    return make_handler(name, load_object(name), threads, options)


def make_handler(
    name: str, target: Any, threads: Executor | None = None, options: Mapping[str, Any] = MappingProxyType({})
) -> LoadedHandler:
    """Return the handler made of a JobHandler class or a function; see `load_handler`."""
    try:
        if isinstance(target, type) and issubclass(target, JobHandler):
            return LoadedHandler(name, *_prepare_class(target, options), _description(target))
        if callable(target) and not isinstance(target, type):
            if options:
                raise OptionsError(f"{name!r} is a function, which takes no options")
            params, run = _prepare_function(target, threads or ThreadPoolExecutor())
            return LoadedHandler(name, params, run, _description(target))
    except OptionsError:
        raise
    except Exception as error:
        raise LoadError(f"{name!r} cannot be a handler: {error}") from error
    raise LoadError(f"{name!r} is neither a JobHandler nor a function")


def _description(target: Any) -> str | None:
    text = inspect.cleandoc(target.__doc__ or "")
    return " ".join(text.partition("\n\n")[0].split()) or None


def _prepare_class(cls: type[JobHandler[Any]], options: Mapping[str, Any]) -> tuple[ParamsType, RunHandler]:
    if not is_async(cls.execute):
        raise TypeError("its execute is not an async def")
    inspect.signature(cls).bind()  # raises TypeError if __init__ needs arguments: none are given
    has_own_set_params = cls.set_params is not JobHandler.set_params
    params = ParamsType(params_type(cls), cls.__name__, is_unchecked=has_own_set_params)
    decoded_options = _decode_options(cls, options)

    def run(context: Context) -> Awaitable[object]:
        handler = cls()
        handler.context = context
        handler.options = decoded_options
        if not has_own_set_params:
            handler.params = params.decode(context.job.params)
            return handler.execute()
        try:
            handler.set_params(msgspec.json.decode(context.job.params))
        except Exception as error:
            raise params.mismatch(error) from error
        return handler.execute()

    return params, run


def _decode_options(cls: type[JobHandler[Any]], options: Mapping[str, Any]) -> Any:
    if cls.Options is None:
        if options:
            raise OptionsError(f"{cls.__name__} takes no options")
        return None
    try:
        return convert(read_units(cls.Options, options), cls.Options)
    except Exception as error:
        has_own_text = type(error) is ValueError  # from a text with a wrong unit
        raise OptionsError(str(error) if has_own_text else describe_mismatch(error)) from error


def _prepare_function(function: Callable[..., Any], threads: Executor) -> tuple[ParamsType, RunHandler]:
    name = getattr(function, "__name__", repr(function))
    parameters = list(inspect.signature(function).parameters.values())
    if len([p for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]) != 2:
        raise TypeError("it must take two arguments: params and context")
    hints = get_type_hints(function)
    params = ParamsType(hints.get(parameters[0].name, Any), name)
    is_coroutine = is_async(function)

    def run(context: Context) -> Awaitable[object]:
        decoded = params.decode(context.job.params)
        if is_coroutine:
            coroutine: Awaitable[object] = function(decoded, context)
            return coroutine
        return _await_nested(_run_in_thread(threads, lambda: function(decoded, context)))

    return params, run


async def _await_nested(call: Awaitable[object]) -> object:
    """Return the result of the call, awaited once more if it is awaitable.

    A function that looks synchronous returns a coroutine if a decorator hides that it is an async one.
    """
    returned = await call
    return await returned if inspect.isawaitable(returned) else returned


async def _run_in_thread(threads: Executor, call: Callable[[], object]) -> object:
    """Run the call in a thread, and return its result.

    A thread cannot be stopped, so a cancellation waits for its end, however often it is repeated. Only a call
    that has not started yet is cancelled.
    """
    loop, has_ended = asyncio.get_running_loop(), asyncio.Event()
    future = threads.submit(copy_context().run, _call_in_thread, call)
    future.add_done_callback(lambda _: loop.call_soon_threadsafe(has_ended.set))
    while not has_ended.is_set():
        try:
            await has_ended.wait()
        except asyncio.CancelledError:
            if future.cancel():
                raise
    try:
        return future.result()
    finally:
        del future  # breaks a reference cycle: its exception's traceback refers to this frame


def _call_in_thread(call: Callable[[], object]) -> object:
    try:
        return call()
    finally:
        exit_if_child()
