"""The client: inserts jobs, waits for them, and reads and changes their status."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from itertools import islice
from time import monotonic
from typing import Any, TypeAlias

import asyncpg
import msgspec

from asyncjobd.config.durations import require_timedelta
from asyncjobd.config.model import DatabaseConfig
from asyncjobd.insertion import CHUNK, Ids, insertions
from asyncjobd.job import Job, NewJob, Status
from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.embedded import EmbeddedError
from asyncjobd.postgres.pool import Pool

AnyConnection: TypeAlias = "Connection | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

PAGE = 1_000  # children in one SELECT
MAX_CANCELS = 100  # of one tree, whose handlers may insert further jobs while they are stopped
MAX_STOPPING = 10.0  # seconds that these get to end
POOL_SIZE = 8
FIRST_PAUSE = 0.005  # seconds between two reads of `wait`; doubles up to LAST_PAUSE
LAST_PAUSE = 0.5
INFINITY = datetime.max.replace(tzinfo=UTC)  # which asyncpg returns for 'infinity', without a zone


class Client:
    """A client of one database.

    async with Client.connect(dsn) as client:
        job_id = await client.insert(JobBuilder("EmailSender").build())
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.pool = Pool(database, "client", POOL_SIZE)

    @classmethod
    @asynccontextmanager
    async def connect(cls, dsn: str = "", schema: str = "asyncjob") -> AsyncIterator["Client"]:
        """Open a client of a database.

        Without a dsn it is that of the embedded server, which a daemon with the same $ASYNCJOBD_CONFIG uses too. Raise
        EmbeddedError where no daemon has made it yet.
        """
        database = Database(DatabaseConfig(dsn=dsn, schema=schema))
        if database.embedded is not None and not database.embedded.has_data:
            raise EmbeddedError(
                f"no dsn was given, and there is no embedded server at {database.embedded.data}: set $ASYNCJOBD_CONFIG "
                "to the file of the daemon that has one, start `asyncjobd run` first, or give a dsn"
            )
        client = cls(database)
        try:
            yield client
        finally:
            await client.close()
            await database.close()

    async def close(self) -> None:
        await self.pool.close()

    async def insert(self, job: NewJob, *, connection: "AnyConnection | None" = None) -> int | None:
        """Insert a job and return its id; None if its unique_key or its once_key is taken (see `find`).

        With a debounce_key it is the id of the job that waits: a new one, or the one that had the key. With a
        `connection`, the INSERT is part of the caller's transaction, and the job exists once that commits.
        """
        return (await self.insert_many([job], connection=connection))[0]

    async def insert_many(
        self, jobs: Sequence[NewJob], *, connection: "AnyConnection | None" = None
    ) -> list[int | None]:
        """Insert all jobs or none, and return what `insert` does for each, in their order."""
        statements = list(insertions(jobs))
        is_atomic = connection is not None or len(statements) <= 1
        ids: Ids = [None] * len(jobs)
        async with self._on(connection) as used, nullcontext() if is_atomic else used.transaction():
            for each in statements:
                rows = await used.fetch(*self._database.query(each.query, **each.arguments))
                each.put_ids(rows, ids)
        return ids

    async def insert_tree(
        self, parent: NewJob, children: Iterable[NewJob], *, connection: "AnyConnection | None" = None
    ) -> list[int | None]:
        """Insert a job that waits for its children, and these, all or none. Return the ids, the parent's first.

        If a key of the parent is taken, nothing is inserted, and the list is empty. A child whose key is taken has
        no id (None).
        """
        async with self._on(connection) as used, used.transaction():
            waits = msgspec.structs.replace(parent, waits_for_children=True)
            parent_id = await self.insert(waits, connection=used)
            if parent_id is None:
                return []
            ids: list[int | None] = [parent_id]
            for chunk in _chunks(children):
                jobs = [msgspec.structs.replace(child, parent_id=parent_id) for child in chunk]
                ids += await self.insert_many(jobs, connection=used)
            return ids

    async def get(self, job_id: int) -> Job | None:
        """Return a job; None if it does not exist."""
        rows = await self.pool.fetch("client/get_job", job_id=job_id)
        return job_of(rows[0]) if rows else None

    async def find(
        self, *, unique_key: str | None = None, debounce_key: str | None = None, once_key: str | None = None
    ) -> Job | None:
        """Return the job that has a key; None if an INSERT with the key would insert one. Give one of the three.

        A job has its unique_key until it has ended, its debounce_key until it has started or ended, and its
        once_key until its row is deleted.
        """
        if sum(key is not None for key in (unique_key, debounce_key, once_key)) != 1:
            raise ValueError("find takes one of unique_key, debounce_key and once_key")
        rows = await self.pool.fetch(
            "client/find_keys", unique_key=unique_key, debounce_key=debounce_key, once_key=once_key
        )
        return job_of(rows[0]) if rows else None

    async def wait(self, job_id: int, timeout: timedelta | None = None) -> Job:
        """Wait until the job is Completed or Failed and its handler has ended, and return the row.

        Without a `timeout` it waits as long as the job does, also for one that is on Hold or that nobody
        serves. Raise TimeoutError after it, and LookupError if the job does not exist (any more).
        """
        limit = None if timeout is None else require_timedelta("timeout", timeout).total_seconds()
        deadline = None if limit is None else monotonic() + limit
        pause = FIRST_PAUSE
        while True:
            job = await self.get(job_id)
            if job is None:
                raise LookupError(f"there is no job {job_id}")
            if job.is_settled:
                return job
            if deadline is not None and monotonic() >= deadline:
                raise TimeoutError(f"job {job_id} is {job.status} after {limit:g} s")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LAST_PAUSE)

    async def list(
        self,
        *,
        job_name: str | None = None,
        status: Status | None = None,
        parent_id: int | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """Return the newest jobs, at most `limit` of them, that match all that is given."""
        rows = await self.pool.fetch(
            "client/list_jobs",
            job_name=job_name,
            status=status and status.value,
            parent_id=parent_id,
            limit=limit,
        )
        return [job_of(row) for row in rows]

    async def set_status(
        self, job_id: int, status: Status, *, only_from: Sequence[Status] = tuple(Status)
    ) -> Job | None:
        """Write the status of a job, and return it; None if it does not exist in one of the statuses
        `only_from`.

        Hold stops a job, Queued releases it, In Progress runs it now, Failed or Completed cancels it. Raise
        asyncpg.UniqueViolationError if it would run again, and another job has its key.
        """
        rows = await self.pool.fetch(
            "client/set_job_status",
            job_id=job_id,
            status=status.value,
            only_from=[each.value for each in only_from],
        )
        return job_of(rows[0]) if rows else None

    async def cancel_tree(self, job_id: int) -> int:
        """Fail a job and all beneath it that have not ended, and return how many these were.

        It waits for the end of handlers that are stopped by that, as they may insert further jobs. Raise RuntimeError
        if they do so again and again, or still run after 10 seconds: what was cancelled stays so.
        """
        total = 0
        deadline = monotonic() + MAX_STOPPING
        for _ in range(MAX_CANCELS):
            pause = FIRST_PAUSE
            while not (row := await self._cancel_once(job_id))["cancelled"]:
                if not row["stopping"]:
                    return total
                if monotonic() >= deadline:
                    raise RuntimeError(
                        f"job {job_id}: {total} jobs were cancelled, and {row['stopping']} of their handlers are still"
                        " being stopped, which may insert others: try again"
                    )
                await asyncio.sleep(pause)
                pause = min(pause * 2, LAST_PAUSE)
            total += row["cancelled"]
        raise RuntimeError(
            f"job {job_id}: {total} jobs were cancelled, and others are still inserted beneath it"
        )

    async def _cancel_once(self, job_id: int) -> asyncpg.Record:
        (row,) = await self.pool.fetch("client/cancel_tree", job_id=job_id)
        return row

    async def children(self, parent_id: int) -> AsyncIterator[Job]:
        """Yield the children of a job in the order of their ids. They are fetched as they are asked for, so that not
        all are held in memory.
        """
        after_id = 0
        while True:
            rows = await self.pool.fetch(
                "client/list_children", parent_id=parent_id, after_id=after_id, limit=PAGE
            )
            for row in rows:
                yield job_of(row)
            if len(rows) < PAGE:
                return
            after_id = rows[-1]["id"]

    async def needed(self, job_id: int) -> dict[int, Job]:
        """Return the jobs of the column waits_for of a job, by their ids. Those that were deleted are left out."""
        rows = await self.pool.fetch("client/list_needed_jobs", job_id=job_id)
        return {row["id"]: job_of(row) for row in rows}

    async def count_children(self, parent_id: int) -> dict[Status, int]:
        """Return how many children of a job are in each status. A status with none is left out."""
        rows = await self.pool.fetch("client/count_children", parent_id=parent_id)
        return {Status(row["status"]): row["count"] for row in rows}

    @asynccontextmanager
    async def _on(self, given: "AnyConnection | None") -> AsyncIterator[AnyConnection]:
        if given is not None:
            yield given
            return
        async with self.pool.connection() as connection:
            yield connection


def _chunks(jobs: Iterable[NewJob]) -> Iterator[list[NewJob]]:
    remaining = iter(jobs)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk


def value_of(json: str) -> Any:
    """Return the value of a jsonb. It stays text if Python cannot hold it, such as 1e5000."""
    try:
        return msgspec.json.decode(json)
    except (msgspec.DecodeError, RecursionError):
        return json


def job_of(row: asyncpg.Record) -> Job:
    """Return the job of a row with all columns of asyncjob.job."""
    columns = {name: row[name] for name in Job.__struct_fields__}  # a newer schema may have more
    for name in ("params", "result"):
        columns[name] = None if columns[name] is None else value_of(columns[name])
    columns["status"] = Status(columns["status"])
    columns["when_failed"] = columns["when_failed"] and Status(columns["when_failed"])
    if columns["due_at"].replace(tzinfo=UTC) == INFINITY:
        columns["due_at"] = None
    return Job(**columns)
