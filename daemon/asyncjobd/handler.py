"""The base class of handlers."""

import sys
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin

from asyncjobd.client import Client
from asyncjobd.context import Checkpoint, Context
from asyncjobd.job import ClaimedJob
from asyncjobd.params import convert
from asyncjobd.postgres.connection import Connection
from asyncjobd.result import JobResult

P = TypeVar("P")


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
        self.params = convert(raw, params_type(type(self)))

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


def params_type(cls: type[JobHandler[Any]]) -> Any:
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
