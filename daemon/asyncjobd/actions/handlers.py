"""Handlers, loaded by their names "module:attribute"."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, get_type_hints

import msgspec

from asyncjobd.actions.objects import LoadError, is_async, load_object
from asyncjobd.config.tables import read_units
from asyncjobd.context import Context
from asyncjobd.forks import end_child
from asyncjobd.handler import JobHandler, params_type
from asyncjobd.params import Params, convert, reason


class OptionsError(LoadError):
    """Raised when the options of an action are not what its handler takes."""


Run = Callable[[Context], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class LoadedHandler:
    """A loaded handler. `run` raises ParamsError before anything has begun; what it answers is not checked yet."""

    name: str
    params: Params
    run: Run
    description: str | None = None  # the first paragraph of its own docstring

    @property
    def params_schema(self) -> dict[str, Any] | None:
        """The JSON Schema of the params, described as the handler is; None where there is nothing to say of them."""
        described = {"description": self.description} if self.description else {}
        return described | (self.params.schema or {}) or None


def load_handler(
    name: str, threads: Executor | None = None, options: Mapping[str, Any] = MappingProxyType({})
) -> LoadedHandler:
    """The handler called "module:attribute"; synchronous functions run in `threads`. Raises LoadError, and
    OptionsError where the options are not what it takes."""
    return make_handler(name, load_object(name), threads, options)


def make_handler(
    name: str, target: Any, threads: Executor | None = None, options: Mapping[str, Any] = MappingProxyType({})
) -> LoadedHandler:
    """The handler that a JobHandler or a function is. Raises as `load_handler` does."""
    try:
        if isinstance(target, type) and issubclass(target, JobHandler):
            return LoadedHandler(name, *_class_handler(target, options), _description(target))
        if callable(target) and not isinstance(target, type):
            if options:
                raise OptionsError(f"{name!r} is a function, which takes none")
            return LoadedHandler(
                name, *_function_handler(target, threads or ThreadPoolExecutor()), _description(target)
            )
    except OptionsError:
        raise
    except Exception as error:
        raise LoadError(f"{name!r} cannot be a handler: {error}") from error
    raise LoadError(f"{name!r} is neither a JobHandler nor a function")


def _description(target: Any) -> str | None:
    text = inspect.cleandoc(target.__doc__ or "")
    return " ".join(text.partition("\n\n")[0].split()) or None


def _class_handler(cls: type[JobHandler[Any]], options: Mapping[str, Any]) -> tuple[Params, Run]:
    if not is_async(cls.execute):
        raise TypeError("its execute is not an async def")
    inspect.signature(cls).bind()  # one is made for each execution, without arguments
    takes_raw = cls.set_params is not JobHandler.set_params
    params = Params(params_type(cls), cls.__name__, is_free=takes_raw)
    decoded_options = _options(cls, options)

    def run(context: Context) -> Awaitable[object]:
        handler = cls()
        handler.context = context
        handler.options = decoded_options
        if not takes_raw:
            handler.params = params.decode(context.job.params)
            return handler.execute()
        try:
            handler.set_params(msgspec.json.decode(context.job.params))
        except Exception as error:
            raise params.misfit(error) from error
        return handler.execute()

    return params, run


def _options(cls: type[JobHandler[Any]], options: Mapping[str, Any]) -> Any:
    if cls.Options is None:
        if options:
            raise OptionsError(f"{cls.__name__} takes none")
        return None
    try:
        return convert(read_units(cls.Options, options), cls.Options)
    except Exception as error:
        is_plain = type(error) is ValueError  # a text with a unit that is wrong
        raise OptionsError(str(error) if is_plain else reason(error)) from error


def _function_handler(function: Callable[..., Any], threads: Executor) -> tuple[Params, Run]:
    name = getattr(function, "__name__", repr(function))
    parameters = list(inspect.signature(function).parameters.values())
    if len([p for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]) != 2:
        raise TypeError("it must take two arguments: params and context")
    hints = get_type_hints(function)
    params = Params(hints.get(parameters[0].name, Any), name)
    is_coroutine = is_async(function)

    def run(context: Context) -> Awaitable[object]:
        decoded = params.decode(context.job.params)
        if is_coroutine:
            answer: Awaitable[object] = function(decoded, context)
            return answer
        return _awaited(_in_thread(threads, lambda: function(decoded, context)))

    return params, run


async def _awaited(call: Awaitable[object]) -> object:
    """A function that looks plain may answer a coroutine, as a decorator has hidden that it is none."""
    answer = await call
    return await answer if inspect.isawaitable(answer) else answer


async def _in_thread(threads: Executor, call: Callable[[], object]) -> object:
    """End when the thread has ended, and not before, however often it is cancelled: a thread cannot be stopped.
    One that has not begun yet never does."""
    loop, has_ended = asyncio.get_running_loop(), asyncio.Event()
    begun = threads.submit(copy_context().run, _called, call)
    begun.add_done_callback(lambda _: loop.call_soon_threadsafe(has_ended.set))
    while not has_ended.is_set():
        try:
            await has_ended.wait()
        except asyncio.CancelledError:
            if begun.cancel():
                raise
    try:
        return begun.result()
    finally:
        del begun  # the traceback of its exception holds this frame: each would keep the other


def _called(call: Callable[[], object]) -> object:
    try:
        return call()
    finally:
        end_child()
