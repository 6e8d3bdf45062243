"""What does the work: a `JobHandler`, or a plain function, loaded by its name "module:attribute"."""

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from contextvars import copy_context
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from asyncjobd.client import Client
from asyncjobd.context import Checkpoint, Context
from asyncjobd.forks import end_child
from asyncjobd.job import ClaimedJob
from asyncjobd.loading import LoadError, is_async, load_object
from asyncjobd.params import Params, convert, reason
from asyncjobd.postgres.connection import Connection
from asyncjobd.result import JobResult

P = TypeVar("P")


class OptionsError(LoadError):
    """The options of an action are not what its handler takes."""


class JobHandler(Generic[P]):
    """Subclass it with the type of the params, and answer a `JobResult` from `execute`. One instance an execution.

        class EmailSender(JobHandler[EmailParams]):
            async def execute(self) -> JobResult: ...

    The type may be a msgspec.Struct, a dataclass, a TypedDict, an attrs class, a pydantic model, or anything else that
    msgspec decodes.

    `Options` is the type of the table [actions.NAME.options], of the same kinds; without it the action may have none.
    They are decoded when the action is loaded, and all its executions share them.
    """

    Options: ClassVar[Any] = None
    options: Any
    params: P
    context: Context

    def set_params(self, raw: Any) -> None:
        """Take the row's params, a JSON value. Override it to check or change them: what it raises is shown in the row,
        and fails the job for good. What it takes nobody else can judge, so no schema of it is published."""
        self.params = convert(raw, _params_type(type(self)))

    async def execute(self) -> JobResult:
        """Do the work. None is a success, an exception a failure; CancelledError says that it is to end: see
        `Context.ending`."""
        raise NotImplementedError

    def progress(self, fraction: float, message: str | None = None) -> Checkpoint:
        """See `Context.progress`."""
        return self.context.progress(fraction, message)

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """See `Context.transaction`."""
        return self.context.transaction()

    @property
    def job(self) -> ClaimedJob:
        return self.context.job

    @property
    def client(self) -> Client:
        """The daemon's own client: inserts further jobs, waits for others."""
        return self.context.client

    @property
    def log(self) -> Any:
        """See `Context.log`."""
        return self.context.log


Run = Callable[[Context], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Handler:
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
) -> Handler:
    """The handler called "module:attribute"; synchronous functions run in `threads`. Raises LoadError, and
    OptionsError where the options are not what it takes."""
    return make_handler(name, load_object(name), threads, options)


def make_handler(
    name: str, target: Any, threads: Executor | None = None, options: Mapping[str, Any] = MappingProxyType({})
) -> Handler:
    """The handler that a JobHandler or a function is. Raises as `load_handler` does."""
    try:
        if isinstance(target, type) and issubclass(target, JobHandler):
            return Handler(name, *_class_handler(target, options), _description(target))
        if callable(target) and not isinstance(target, type):
            if options:
                raise OptionsError(f"{name!r} is a function, which takes none")
            return Handler(name, *_function_handler(target, threads or ThreadPoolExecutor()), _description(target))
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
    params = Params(_params_type(cls), cls.__name__, is_free=takes_raw)
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
        return convert(dict(options), cls.Options)
    except Exception as error:
        raise OptionsError(reason(error)) from error


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


def _params_type(cls: type[JobHandler[Any]]) -> Any:
    """The type that the class or one of its parents put in JobHandler[...]; Any where none did."""
    for parent in cls.__mro__:
        for base in getattr(parent, "__orig_bases__", ()):
            origin = get_origin(base)
            if isinstance(origin, type) and issubclass(origin, JobHandler):
                (argument,) = get_args(base)[:1]
                if not isinstance(argument, TypeVar):
                    return _resolve(argument, parent)
    return Any


def _resolve(argument: Any, owner: type) -> Any:
    """JobHandler["Params"] names a class of the handler's module."""
    name = getattr(argument, "__forward_arg__", None)
    return getattr(sys.modules[owner.__module__], name) if name else argument
