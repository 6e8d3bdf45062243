"""The client: inserts jobs, follows them, and sets their status."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from time import monotonic
from typing import Any, TypeAlias

import asyncpg
import msgspec

from asyncjobd.config.durations import require_timedelta
from asyncjobd.config.model import DatabaseConfig
from asyncjobd.job import Job, NewJob, Status, current_job
from asyncjobd.postgres.column import column
from asyncjobd.postgres.connection import Connection
from asyncjobd.postgres.database import Database
from asyncjobd.postgres.pool import Pool
from asyncjobd.tracing import active_traceparent

AnyConnection: TypeAlias = "Connection | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

MAX_ROWS_PER_INSERT = 5_000
POOL_SIZE = 8  # connections
FIRST_POLL_SECONDS = 0.005  # the first pause of `wait` between two queries; doubles up to MAX_POLL_SECONDS
MAX_POLL_SECONDS = 0.5


class Client:
    """A client of one database, for any number of tasks at a time.

    async with Client.connect(dsn) as client:
        job_id = await client.insert(JobBuilder("EmailSender").build())
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.pool = Pool(database, "client", POOL_SIZE)

    @classmethod
    @asynccontextmanager
    async def connect(cls, dsn: str = "", schema: str = "asyncjob") -> AsyncIterator["Client"]:
        """Provide a client for the block, and close it afterwards.

        Args:
            dsn: The database. Default: the embedded server.
            schema: The schema of asyncjobd. Default: "asyncjob".
        """
        database = Database(DatabaseConfig(dsn=dsn, schema=schema))
        client = cls(database)
        try:
            yield client
        finally:
            await client.close()
            await database.close()

    async def close(self) -> None:
        """Close the idle connections."""
        await self.pool.close()

    async def insert(self, job: NewJob, *, connection: "AnyConnection | None" = None) -> int | None:
        """Insert a job, and return its id, or None if a live job has its unique_key.

        Args:
            job: The job.
            connection: A connection of the caller's own. The job is inserted in its open transaction, and
                exists once that commits. Default: a connection of the client.
        """
        async with self._on(connection) as used:
            rows = await used.fetch(*self._database.query("client/insert_job", **_values(job)))
            return rows[0]["id"] if rows else None

    async def insert_many(
        self, jobs: Sequence[NewJob], *, connection: "AnyConnection | None" = None
    ) -> list[int | None]:
        """Insert all jobs or none, and return their ids in the order of the jobs; see `insert`."""
        is_atomic = connection is not None or len(jobs) <= MAX_ROWS_PER_INSERT
        async with self._on(connection) as used, nullcontext() if is_atomic else used.transaction():
            ids: list[int | None] = []
            for start in range(0, len(jobs), MAX_ROWS_PER_INSERT):
                chunk = jobs[start : start + MAX_ROWS_PER_INSERT]
                rows = await used.fetch(*self._database.query("client/insert_jobs", **_columns(chunk)))
                ids += _in_order(chunk, rows)
            return ids

    async def get(self, job_id: int) -> Job | None:
        """Return the row of a job, or None if there is none."""
        rows = await self.pool.fetch("client/get_job", job_id=job_id)
        return _job(rows[0]) if rows else None

    async def wait(self, job_id: int, timeout: timedelta | None = None) -> Job:
        """Wait until the job is Completed or Failed and its handler has ended, and return the row.

        Without a `timeout` it waits as long as the job does, also for one that is on Hold or that nobody
        serves. Raise TimeoutError after it, and LookupError if the job does not exist (any more).
        """
        limit = None if timeout is None else require_timedelta("timeout", timeout).total_seconds()
        deadline = None if limit is None else monotonic() + limit
        pause = FIRST_POLL_SECONDS
        while True:
            job = await self.get(job_id)
            if job is None:
                raise LookupError(f"there is no job {job_id}")
            if job.is_settled:
                return job
            if deadline is not None and monotonic() >= deadline:
                raise TimeoutError(f"job {job_id} is {job.status} after {limit:g} s")
            await asyncio.sleep(pause)
            pause = min(pause * 2, MAX_POLL_SECONDS)

    async def list(
        self,
        *,
        job_name: str | None = None,
        status: Status | None = None,
        parent_id: int | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """Return jobs, the newest first.

        Args:
            job_name: Only jobs of this name. Default: all.
            status: Only jobs in this status. Default: all.
            parent_id: Only children of this job. Default: all.
            limit: How many at most. Default: 50.
        """
        rows = await self.pool.fetch(
            "client/list_jobs",
            job_name=job_name,
            status=status and status.value,
            parent_id=parent_id,
            limit=limit,
        )
        return [_job(row) for row in rows]

    async def set_status(
        self, job_id: int, status: Status, *, only_from: Sequence[Status] = tuple(Status)
    ) -> Job | None:
        """Set the status of a job that is in one of `only_from`. Return its row, or None if there is none.

        Hold stops the job until it is released, Queued releases it, In Progress runs it now, and Failed or
        Completed cancels it.
        """
        rows = await self.pool.fetch(
            "client/set_job_status",
            job_id=job_id,
            status=status.value,
            only_from=[each.value for each in only_from],
        )
        return _job(rows[0]) if rows else None

    async def count_children(self, parent_id: int) -> dict[Status, int]:
        """Return the number of children of a job by status, without the statuses that no child has."""
        rows = await self.pool.fetch("client/count_children", parent_id=parent_id)
        return {Status(row["status"]): row["count"] for row in rows}

    @asynccontextmanager
    async def _on(self, given: "AnyConnection | None") -> AsyncIterator[AnyConnection]:
        if given is not None:
            yield given
            return
        async with self.pool.connection() as connection:
            yield connection


def _status(job: NewJob) -> Status:
    """Return the status to insert: In Progress for a job that is due at once, to save a trigger's work."""
    return Status.IN_PROGRESS if job.status is Status.QUEUED and job.schedule_time is None else job.status


def _traceparent() -> str | None:
    """Return the active span, else the span of the job whose handler inserts here, else None."""
    job = current_job.get(None)
    return active_traceparent() or (None if job is None else job.traceparent)


def _values(job: NewJob) -> dict[str, Any]:
    """Return the arguments of client/insert_job."""
    return {
        "job_name": job.job_name,
        "params": msgspec.json.encode(job.params).decode(),
        "status": _status(job),
        "schedule_time": job.schedule_time,
        "priority": job.priority,
        "retry_interval": job.retry_interval,
        "max_execution_count": job.max_execution_count,
        "is_recursive": job.is_recursive,
        "timeout": job.timeout,
        "parent_id": job.parent_id,
        "unique_key": job.unique_key,
        "traceparent": job.traceparent or _traceparent(),
    }


def _columns(jobs: Sequence[NewJob]) -> dict[str, list[Any] | None]:
    """Return the arguments of client/insert_jobs."""
    encode = msgspec.json.encode
    statuses = [_status(job) for job in jobs]
    traceparent = _traceparent()
    return {
        "job_names": [job.job_name for job in jobs],
        "params": [encode(job.params).decode() for job in jobs],
        "statuses": column([None if status is Status.IN_PROGRESS else status for status in statuses]),
        "schedule_times": column([job.schedule_time for job in jobs]),
        "priorities": column([job.priority or None for job in jobs]),
        "retry_intervals": column([job.retry_interval for job in jobs]),
        "max_execution_counts": column([job.max_execution_count for job in jobs]),
        "are_recursive": column([job.is_recursive for job in jobs]),
        "timeouts": column([job.timeout for job in jobs]),
        "parent_ids": column([job.parent_id for job in jobs]),
        "unique_keys": column([job.unique_key for job in jobs]),
        "traceparents": column([job.traceparent or traceparent for job in jobs]),
    }


def _in_order(jobs: Sequence[NewJob], rows: Sequence[asyncpg.Record]) -> list[int | None]:
    """Return the ids in the order of the jobs, None for those not inserted because of their unique_key."""
    if len(rows) == len(jobs):
        return [row["id"] for row in rows]
    ids: dict[str | None, deque[int]] = defaultdict(deque)
    for row in rows:
        ids[row["unique_key"]].append(row["id"])
    return [ids[job.unique_key].popleft() if ids[job.unique_key] else None for job in jobs]


def _value(json: str) -> Any:
    """Return the decoded JSON, or the text itself if Python cannot hold the value, such as 1e5000."""
    try:
        return msgspec.json.decode(json)
    except (msgspec.DecodeError, RecursionError):
        return json


def _job(row: asyncpg.Record) -> Job:
    columns = {name: row[name] for name in Job.__struct_fields__}  # a newer schema may have more
    for name in ("params", "result"):
        columns[name] = None if columns[name] is None else _value(columns[name])
    return Job(**columns | {"status": Status(columns["status"])})
