"""The statements that insert jobs: one for each kind of key, as an INSERT can have one kind of conflict."""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

import asyncpg
import msgspec

from asyncjobd.job import NewJob, Status, current_job
from asyncjobd.postgres.column import column
from asyncjobd.postgres.statement import SCHEMA, Style, styled_query
from asyncjobd.tracing import active_traceparent

CHUNK = 5_000  # rows in one INSERT

Ids: TypeAlias = list[int | None]
"""The id of each job that was inserted; None where its unique_key or its once_key is taken."""


def insert_statement(
    job: NewJob, *, schema: str = SCHEMA, style: Style = Style.PYFORMAT
) -> tuple[str, dict[str, Any]]:
    """Return the SQL that inserts a job and its parameters, for any driver; nothing is read or sent.

    The statement returns one row, whose first column is the id of the job; no row where its unique_key or its
    once_key is taken. Raise ValueError where keys do not go together (see `query_of`).

    Args:
        job: The job.
        schema: The schema that the jobs are in.
        style: How the driver writes parameters. The default is that of psycopg and Django.
    """
    inserted = insertion(job)
    return inserted.sql(schema, style), inserted.arguments


class Query(StrEnum):
    """The statement that inserts jobs whose keys are of one kind."""

    ONE = "client/insert_job"  # as the next, for one job without a delay
    USUAL = "client/insert_jobs"  # without a key, or with a unique_key
    ONCE = "client/insert_once_jobs"
    DEBOUNCED = "client/debounce_jobs"


class Insertion(NamedTuple):
    """One statement, the jobs that it inserts, and the places that these have among all."""

    query: Query
    jobs: list[NewJob]
    places: list[int]

    def sql(self, schema: str, style: Style) -> str:
        """Return the statement as another driver than asyncpg takes it."""
        return styled_query(self.query, schema, style)

    @property
    def arguments(self) -> dict[str, Any]:
        if self.query is Query.ONE:
            return _values(self.jobs[0])
        if self.query is not Query.DEBOUNCED:
            return _columns(self.jobs)
        last: dict[str | None, NewJob] = {}  # a statement cannot change a row twice
        for job in self.jobs:
            if (name := last.setdefault(job.debounce_key, job).job_name) != job.job_name:
                raise ValueError(
                    f"{name} and {job.job_name} have the same debounce_key {job.debounce_key!r}: write the name into it"
                )
            last[job.debounce_key] = job
        # in the order of their keys, so that no two statements wait for each other
        jobs = sorted(last.values(), key=lambda job: str(job.debounce_key))
        return _columns(jobs) | {"at_most": column([job.at_most for job in jobs])}

    def put_ids(self, rows: Sequence[Mapping[str, Any] | asyncpg.Record], ids: Ids) -> None:
        """Put the id of each job in its place, from the rows that the statement has returned. None: its key is
        taken.
        """
        for place, job_id in self._ids(rows):
            ids[place] = job_id

    def _ids(self, rows: Sequence[Mapping[str, Any] | asyncpg.Record]) -> Iterator[tuple[int, int | None]]:
        if self.query is Query.DEBOUNCED:
            waiting = {row["key"]: row["id"] for row in rows}
            yield from ((place, waiting[job.debounce_key]) for place, job in self._placed)
        elif len(rows) == len(self.jobs):
            yield from zip(self.places, (row["id"] for row in rows), strict=True)
        else:
            new: dict[str | None, deque[int]] = defaultdict(deque)
            for row in rows:
                new[row["key"]].append(row["id"])
            for place, job in self._placed:
                ids = new[job.once_key if self.query is Query.ONCE else job.unique_key]
                yield place, ids.popleft() if ids else None

    @property
    def _placed(self) -> Iterator[tuple[int, NewJob]]:
        return zip(self.places, self.jobs, strict=True)


def insertion(job: NewJob) -> Insertion:
    """Return what inserts one job. Raise ValueError as `query_of` does."""
    query = query_of(job)
    return Insertion(Query.ONE if query is Query.USUAL and job.delay is None else query, [job], [0])


def insertions(jobs: Sequence[NewJob]) -> Iterator[Insertion]:
    """Yield what inserts all of these jobs. Raise ValueError as `query_of` does."""
    if len(jobs) == 1:
        yield insertion(jobs[0])
        return
    for start in range(0, len(jobs), CHUNK):
        chunk = range(start, min(start + CHUNK, len(jobs)))
        by_query: dict[Query, list[int]] = defaultdict(list)
        for place in chunk:
            by_query[query_of(jobs[place])].append(place)
        for query, places in by_query.items():
            yield Insertion(query, [jobs[place] for place in places], places)


def query_of(job: NewJob) -> Query:
    """Return the statement that inserts the job among others. Raise ValueError where its keys, or they and
    at_most, do not go together.
    """
    if job.at_most is not None and job.debounce_key is None:
        raise ValueError(f"{job.job_name} has at_most {job.at_most}, which goes with a debounce_key alone")
    if job.debounce_key is not None:
        if job.unique_key is not None or job.once_key is not None:
            raise ValueError(
                f"{job.job_name} has the debounce_key {job.debounce_key!r} and another key: a job that is "
                "inserted with a debounce_key has neither a unique_key nor a once_key"
            )
        return Query.DEBOUNCED
    return Query.USUAL if job.once_key is None else Query.ONCE


def _values(job: NewJob) -> dict[str, Any]:
    """Return the arguments of client/insert_job."""
    return {
        "job_name": job.job_name,
        "params": msgspec.json.encode(job.params).decode(),
        "status": _status(job),
        "schedule_time": job.schedule_time,
        "priority": job.priority,
        "retry_interval": job.retry_interval,
        "retry_backoff": job.retry_backoff,
        "retry_interval_max": job.retry_interval_max,
        "retry_jitter": job.retry_jitter,
        "max_execution_count": job.max_execution_count,
        "is_recursive": job.is_recursive,
        "timeout": job.timeout,
        "parent_id": job.parent_id,
        "unique_key": job.unique_key,
        "limit_key": job.limit_key,
        "traceparent": job.traceparent or _traceparent(),
        "waits_for": job.waits_for,
        "waits_for_children": job.waits_for_children,
        "when_failed": job.when_failed and job.when_failed.value,
    }


def _columns(jobs: Sequence[NewJob]) -> dict[str, list[Any] | None]:
    """Return the arguments of client/parts/new_jobs."""
    encode = msgspec.json.encode
    statuses = [_status(job) for job in jobs]
    traceparent = _traceparent()
    return {
        "job_names": [job.job_name for job in jobs],
        "params": [encode(job.params).decode() for job in jobs],
        "statuses": column([None if status is Status.IN_PROGRESS else status for status in statuses]),
        "schedule_times": column([job.schedule_time for job in jobs]),
        "delays": column([job.delay for job in jobs]),
        "priorities": column([job.priority or None for job in jobs]),
        "retry_intervals": column([job.retry_interval for job in jobs]),
        "retry_backoffs": column([job.retry_backoff for job in jobs]),
        "retry_interval_maxima": column([job.retry_interval_max for job in jobs]),
        "retry_jitters": column([job.retry_jitter for job in jobs]),
        "max_execution_counts": column([job.max_execution_count for job in jobs]),
        "are_recursive": column([job.is_recursive for job in jobs]),
        "timeouts": column([job.timeout for job in jobs]),
        "parent_ids": column([job.parent_id for job in jobs]),
        "unique_keys": column([job.unique_key for job in jobs]),
        "debounce_keys": column([job.debounce_key for job in jobs]),
        "once_keys": column([job.once_key for job in jobs]),
        "limit_keys": column([job.limit_key for job in jobs]),
        "traceparents": column([job.traceparent or traceparent for job in jobs]),
        "waits_for": column([_array(job.waits_for) for job in jobs]),
        "wait_for_children": column([job.waits_for_children for job in jobs]),
        "when_failed": column([job.when_failed and job.when_failed.value for job in jobs]),
    }


def _status(job: NewJob) -> Status:
    """Return the status to insert. A job without a time is ready: written as such, the trigger has less to do."""
    is_ready = job.status is Status.QUEUED and job.schedule_time is None
    return Status.IN_PROGRESS if is_ready else job.status


def _traceparent() -> str | None:
    """Return the active span, or else that of the job whose handler runs here."""
    job = current_job.get(None)
    return active_traceparent() or (None if job is None else job.traceparent)


def _array(ids: Sequence[int] | None) -> str | None:
    """Return the text of a PostgreSQL array."""
    return None if ids is None else f"{{{','.join(map(str, ids))}}}"
