"""One execution of a handler, without a daemon and without a database."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from types import MappingProxyType
from typing import Any

import msgspec

from asyncjobd.actions.catalog import Action
from asyncjobd.actions.handlers import LoadedHandler, load_handler, make_handler
from asyncjobd.client import AnyConnection, Client, value_of
from asyncjobd.config.durations import require_timedelta
from asyncjobd.config.model import ActionConfig, DatabaseConfig
from asyncjobd.context import Context
from asyncjobd.engine.jobs.execution import Execution
from asyncjobd.engine.jobs.runner import CANCEL_INTERVAL
from asyncjobd.insertion import insertions
from asyncjobd.job import ClaimedJob, NewJob, Status
from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.database import Database, Use
from asyncjobd.postgres.pool import Pool
from asyncjobd.postgres.transaction import Transaction
from asyncjobd.result import Outcome

JOB_ID = 1  # the id of the job that runs; those that it inserts have the next ones


class NeedsDatabase(Exception):
    """The handler asked for something that only a database has: test it on a `Workbench`."""


@dataclass(frozen=True, slots=True)
class Ran:
    """The end of an execution.

    `status` and `after` say how the job goes on: a Queued one is due again `after` this time (None: in its
    retry_interval with its back-off, or at the next time on the grid). `progress` has all reports,
    `inserted` all jobs that the handler inserted.
    """

    outcome: Outcome
    message: str | None
    result: Any
    traceback: str | None
    status: Status
    after: timedelta | None
    progress: list[tuple[float, str | None]]
    inserted: list[NewJob]


async def run_job(
    handler: Any,
    params: Any = MappingProxyType({}),
    *,
    options: Mapping[str, Any] = MappingProxyType({}),
    execution_count: int = 1,
    max_execution_count: int = 5,
    is_recursive: bool = False,
    timeout: timedelta | None = None,
) -> Ran:
    """Run a JobHandler, a function or "module:attribute" once, as a daemon does, and return how it ended.

    `params` is anything that encodes to a JSON value; what the handler raises is a failure, as in a daemon.
    Raise LoadError if a daemon would refuse the handler or its options, and NeedsDatabase if the handler
    asked for a transaction, or used its client for more than to insert jobs.
    """
    limit = None if timeout is None else require_timedelta("timeout", timeout).total_seconds()
    with ThreadPoolExecutor(1) as threads:
        loaded = loaded_handler(handler, threads, options)
        database = _NoDatabase()
        client = _Notes(database)
        progress: list[tuple[float, str | None]] = []
        job = ClaimedJob(
            JOB_ID, loaded.name, msgspec.json.encode(_plain(params)).decode(), execution_count, execution_count,
            max_execution_count, is_recursive, priority=0, parent_id=None, unique_key=None, limit_key=None,
            schedule_time=None, created_by="test", occurrence=0, traceparent=None, created_at=0.0,
            timeout=limit, waited=0.0,
        )  # fmt: skip
        context = Context(
            job, 1, lambda _, reported: progress.append(reported), client,
            begin_transaction=lambda: Transaction(database, Pool(database, "transaction", 1, Use.HANDLER)),
        )  # fmt: skip
        action = Action(loaded.name, ActionConfig(loaded.name), loaded)
        ran = await asyncio.create_task(_perform(context, action, progress, client.inserted))
    if database.asked_for is not None:
        raise NeedsDatabase(
            f"{loaded.name} asked for {database.asked_for}, which needs a database: use a Workbench"
        )
    return ran


def loaded_handler(handler: Any, threads: ThreadPoolExecutor, options: Mapping[str, Any]) -> LoadedHandler:
    """Return the handler, by its name or as it is. Raise LoadError."""
    if isinstance(handler, str):
        return load_handler(handler, threads, options)
    return make_handler(getattr(handler, "__name__", repr(handler)), handler, threads, options)


async def _perform(
    context: Context, action: Action, progress: list[tuple[float, str | None]], inserted: list[NewJob]
) -> Ran:
    task = asyncio.current_task()
    assert task is not None
    execution = Execution(context, action, task)
    timer = asyncio.create_task(_cancel_late(execution, context.job.timeout))
    ended = await execution.perform()
    timer.cancel()
    result = None if ended.encoded is None else value_of(ended.encoded)
    return Ran(
        ended.result.outcome, ended.result.message, result, ended.result.traceback, ended.transition.status,
        ended.transition.after, progress, inserted,
    )  # fmt: skip


async def _cancel_late(execution: Execution, timeout: float | None) -> None:
    """Cancel an execution after its timeout, again and again like a daemon, as a handler may swallow that."""
    await asyncio.sleep(inf if timeout is None else timeout)
    while True:
        execution.cancel(Outcome.TIMEOUT)
        await asyncio.sleep(CANCEL_INTERVAL)


def _plain(params: Any) -> Any:
    return dict(params) if isinstance(params, Mapping) else params


class _NoDatabase(Database):
    def __init__(self) -> None:
        super().__init__(DatabaseConfig(dsn="postgresql://nowhere"))
        self.asked_for: str | None = None

    async def connect(self, purpose: str, use: Use = Use.CLIENT) -> Connection:
        self.asked_for = f"a {purpose}'s connection"
        raise NeedsDatabase(f"there is no database for {self.asked_for}")


class _Notes(Client):
    """A client that notes inserted jobs. All else that a client does needs a database."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.inserted: list[NewJob] = []

    async def insert_many(
        self, jobs: Sequence[NewJob], *, connection: "AnyConnection | None" = None
    ) -> list[int | None]:
        for each in insertions(jobs):
            _ = each.arguments  # raises what an INSERT would raise before it is sent
        before = JOB_ID + len(self.inserted)
        self.inserted += jobs
        return [before + number for number in range(1, len(jobs) + 1)]

    async def insert_tree(
        self, parent: NewJob, children: Iterable[NewJob], *, connection: "AnyConnection | None" = None
    ) -> list[int | None]:
        parent_id = await self.insert(msgspec.structs.replace(parent, waits_for_children=True))
        jobs = [msgspec.structs.replace(child, parent_id=parent_id) for child in children]
        return [parent_id, *await self.insert_many(jobs)]
