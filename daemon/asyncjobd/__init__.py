"""Background jobs as rows in PostgreSQL, run by an asyncio daemon."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncjobd.builder import JobBuilder
    from asyncjobd.client import Client
    from asyncjobd.context import Context
    from asyncjobd.handler import JobHandler
    from asyncjobd.hook import Hook, Proceed
    from asyncjobd.job import ClaimedJob, Job, NewJob, Status
    from asyncjobd.result import JobResult, Outcome
else:

    def __getattr__(name: str) -> Any:
        """Import a public name when it is used: all of them take 0.4 s, which `asyncjobd --help` does not need."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value


__all__ = [
    "ClaimedJob",
    "Client",
    "Context",
    "Hook",
    "Job",
    "JobBuilder",
    "JobHandler",
    "JobResult",
    "NewJob",
    "Outcome",
    "Proceed",
    "Status",
]
__version__ = "0.1.0"

_MODULES = {
    "ClaimedJob": "job",
    "Client": "client",
    "Context": "context",
    "Hook": "hook",
    "Job": "job",
    "JobBuilder": "builder",
    "JobHandler": "handler",
    "JobResult": "result",
    "NewJob": "job",
    "Outcome": "result",
    "Proceed": "hook",
    "Status": "job",
}
