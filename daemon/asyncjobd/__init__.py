"""Background jobs as rows in PostgreSQL, run by an asyncio daemon."""

from asyncjobd.builder import JobBuilder
from asyncjobd.client import Client
from asyncjobd.context import Context
from asyncjobd.handler import JobHandler
from asyncjobd.hook import Hook, Proceed
from asyncjobd.job import ClaimedJob, Job, NewJob, Status
from asyncjobd.result import JobResult, Outcome

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
