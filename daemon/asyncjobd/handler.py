"""The base class of handlers."""

import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin

from asyncjobd.client import Client
from asyncjobd.context import Checkpoint, Context
from asyncjobd.job import ClaimedJob, Job
from asyncjobd.params import decode_value
from asyncjobd.postgres.connection import Connection
from asyncjobd.result import JobResult

P = TypeVar("P")


class JobHandler(Generic[P]):
    """The base class of handlers: subclass it with the type of the params, and implement `execute`.

        class EmailSender(JobHandler[EmailParams]):
            async def execute(self) -> JobResult:
                await send(self.params.to)
                return JobResult.success("sent")

    The type may be a msgspec.Struct, a dataclass, a TypedDict, an attrs class, a pydantic model, or anything
    else that msgspec decodes. The daemon creates an instance for every execution, without arguments.

    Attributes:
        Options: The type of the table [actions.NAME.options], of the same kinds. None, the default, means
            that the action may have no options.
        options: The decoded options. They are decoded when the action is loaded, and all executions share
            them.
        params: The decoded params of the row.
        context: The running execution.
    """

    Options: ClassVar[Any] = None
    options: Any
    params: P
    context: Context

    def set_params(self, raw: Any) -> None:
        """Decode the params of the row into `self.params`. Override it to check or change them.

        An exception fails the job without a retry, and its text becomes the job's message. Params of a class
        that overrides this method cannot be checked before the job runs, so no JSON Schema of them is
        published.

        Args:
            raw: The params as a JSON value, in which a number with a point is a float.
        """
        self.params = decode_value(raw, params_type(type(self)))

    async def execute(self) -> JobResult:
        """Do the work, and return how the execution ended; None counts as success.

        An exception counts as `failed`. CancelledError is raised at the current await when the execution must
        end; `Context.stop_reason` says why.
        """
        raise NotImplementedError

    def progress(self, fraction: float, message: str | None = None) -> Checkpoint:
        """Show how far the job is; see `Context.progress`."""
        return self.context.progress(fraction, message)

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """Return a context manager for a transaction that commits with the job; see `Context.transaction`."""
        return self.context.transaction()

    def children(self) -> AsyncIterator[Job]:
        """Yield the children of this job with their results; see `Client.children`."""
        return self.client.children(self.job.id)

    async def needed(self) -> dict[int, Job]:
        """Return the jobs that this one has waited for by its column waits_for; see `Client.needed`."""
        return await self.client.needed(self.job.id)

    @property
    def job(self) -> ClaimedJob:
        """The job that runs."""
        return self.context.job

    @property
    def client(self) -> Client:
        """The daemon's own client, which inserts jobs and waits for others."""
        return self.context.client

    @property
    def log(self) -> Any:
        """A structlog logger whose lines carry job_id, job_name and execution_count."""
        return self.context.log


def params_type(cls: type[JobHandler[Any]]) -> Any:
    """Return the type given to JobHandler[...] by the class or the nearest base; Any if none gives one."""
    for parent in cls.__mro__:
        for base in getattr(parent, "__orig_bases__", ()):
            origin = get_origin(base)
            if isinstance(origin, type) and issubclass(origin, JobHandler):
                (argument,) = get_args(base)[:1]
                if not isinstance(argument, TypeVar):
                    return _resolve_forward_reference(argument, parent)
    return Any


def _resolve_forward_reference(argument: Any, owner: type) -> Any:
    """Return the class that JobHandler["Params"] names, which is one of the handler's module."""
    name = getattr(argument, "__forward_arg__", None)
    return getattr(sys.modules[owner.__module__], name) if name else argument
