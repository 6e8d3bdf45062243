"""What daemons write of what has ended is what has ended; nothing waits for it, and it waits for nothing."""

import asyncio
import signal
from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import asyncpg
import pytest

from asyncjobd.observability.metrics.histogram import Histogram
from tests.conftest import NewDaemon
from tests.support.actions import COMMON
from tests.support.daemon import DEADLINE
from tests.support.jobs import Connection, insert, settled

pytestmark = pytest.mark.anyio

SHORT = COMMON | {
    "quick": {"handler": "tests.engine.upkeep.short_minutes:succeed"}
}  # a name, and no import here
ENDED = (  # by minute, and by hour
    "select coalesce(sum(completed), 0) as completed, coalesce(sum(failed), 0) as failed,"
    " coalesce(sum(retried), 0) as retried, coalesce(sum(repeated), 0) as repeated,"
    " coalesce(sum(stopped), 0) as stopped, coalesce(sum(waited), 0) as waited, coalesce(sum(ran), 0) as ran"
    " from (values (1), (60)) as length (minutes)"
    " left join asyncjob.rollup on rollup.minutes = length.minutes and rollup.job_name = $1 group by length.minutes"
)

SOON = timedelta(
    seconds=0.2
)  # within it a statement is read, planned and run, each of which is noted as its start
WAITS = (
    "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    " and application_name = 'asyncjobd upkeep'"
)


async def history(db: Connection, job_name: str) -> dict[str, Any]:
    """Return what is written of a name, with how many executions its histograms have."""
    row, by_hour = map(dict, await db.fetch(ENDED, job_name))
    assert row == by_hour
    return row | {key: sum(Histogram.of_number(int(row[key])).buckets) for key in ("waited", "ran")}


async def until(db: Connection, job_name: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = monotonic() + DEADLINE
    while not condition(found := await history(db, job_name)):
        assert monotonic() < deadline, found
        await asyncio.sleep(0.02)
    return found


async def run_many(db: Connection, job_name: str, number: int, params: str = "{}") -> list[int]:
    """Insert jobs, wait until they are Completed, and return their ids."""
    ids = await db.fetch(
        "insert into asyncjob.job (job_name, params)"
        " select $1, $2 from generate_series(1, $3::integer) returning id",
        job_name, params, number,
    )  # fmt: skip
    for each in ids:
        assert (await settled(db, each["id"]))["status"] == "Completed"
    return [each["id"] for each in ids]


async def test_what_is_left_at_a_stop_is_written(db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon().ready()
    await run_many(db, "succeed", 20)
    again = await insert(
        db, "answer", '{"answers": ["exception", "success"]}', retry_interval="interval '10 ms'"
    )
    await settled(db, again)
    await settled(db, await insert(db, "raises", max_execution_count="1"))
    assert daemon.stop() == 0
    succeeded, answered = await history(db, "succeed"), await history(db, "answer")
    assert (succeeded["completed"], succeeded["waited"], succeeded["ran"]) == (20, 20, 20)
    assert (answered["completed"], answered["retried"], answered["ran"]) == (1, 1, 2)
    assert (await history(db, "raises"))["failed"] == 1
    rows = await db.fetch(
        "select minutes, began_at = date_trunc(case minutes when 1 then 'minute' else 'hour' end, began_at) as is_whole"
        " from asyncjob.rollup"
    )
    assert {(row["minutes"], row["is_whole"]) for row in rows} == {(1, True), (60, True)}


async def test_minutes_of_two_daemons_add_up(db: Connection, start_daemon: NewDaemon) -> None:
    daemons = [start_daemon(name=name, actions=SHORT, concurrency=2).ready() for name in ("a", "b")]
    for _ in range(3):
        await run_many(db, "sleeps", 8, '{"seconds": 0.1}')
    written = await until(db, "sleeps", lambda found: found["completed"] >= 24)
    assert (written["completed"], written["waited"], written["ran"]) == (24, 24, 24)
    assert [daemon.stop() for daemon in daemons] == [0, 0]
    assert await history(db, "sleeps") == written
    query = (
        "select count(distinct daemon_id) from asyncjob.rollup where job_name = 'sleeps' and daemon_id > 0"
    )
    assert await db.fetchval(query) == 2


async def test_killed_daemon_loses_its_last_minute_only(db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon(actions=SHORT).ready()
    await run_many(db, "quick", 30)
    await until(db, "quick", lambda found: found["completed"] == 30)
    await run_many(db, "quick", 1)
    daemon.stop(signal.SIGKILL)
    assert (await history(db, "quick"))["completed"] in {30, 31}


async def test_locked_table_delays_no_job_and_loses_nothing(
    dsn: str, db: Connection, start_daemon: NewDaemon
) -> None:
    daemon = start_daemon(actions=SHORT).ready()
    other = await asyncpg.connect(dsn)
    async with other.transaction():
        await other.execute("lock table asyncjob.rollup")
        deadline = monotonic() + DEADLINE
        while not await db.fetchval(WAITS):
            assert monotonic() < deadline
            await asyncio.sleep(0.02)
        ids = await run_many(db, "quick", 5)
    await other.close()
    ended = [daemon.wait_for("job.completed", job_id=each) for each in ids]
    assert max(line["waited"] for line in ended) < 5
    await until(db, "quick", lambda found: found["completed"] == 5)
    assert daemon.events("part.failed") == []


async def test_minute_that_postgresql_refuses_is_part_of_the_next(
    db: Connection, start_daemon: NewDaemon
) -> None:
    daemon = start_daemon(actions=SHORT).ready()
    await db.execute("alter table asyncjob.rollup add constraint refuses check (completed < 1)")
    await run_many(db, "quick", 3)
    daemon.wait_for("history.refused")
    await db.execute("alter table asyncjob.rollup drop constraint refuses")
    await run_many(db, "quick", 2)
    written = await until(db, "quick", lambda found: found["completed"] >= 5)
    assert (written["completed"], written["ran"]) == (5, 5)
    assert daemon.events("part.failed") == []


async def test_queue_is_written_while_something_stands_in_it(db: Connection, start_daemon: NewDaemon) -> None:
    await insert(db, "succeed", status="'Hold'")
    await insert(db, "succeed", schedule_time="now() + interval '1 day'")
    await insert(db, "asleep")
    for name in ("a", "b"):
        start_daemon(name=name, actions=SHORT).ready()
    query = "select * from asyncjob.rollup where minutes = 1 and daemon_id = 0 order by began_at, job_name"
    deadline = monotonic() + DEADLINE
    while len(rows := await db.fetch(query)) < 6:
        assert monotonic() < deadline
        await asyncio.sleep(0.02)
    asleep, succeed = rows[4:6]
    assert (succeed["job_name"], succeed["ready"], succeed["queued"], succeed["held"]) == ("succeed", 0, 1, 1)
    assert (asleep["ready"], asleep["queued"], asleep["held"]) == (1, 0, 0)
    assert asleep["oldest_ready"] > 0.0
    assert succeed["oldest_ready"] is None
    most = await db.fetchrow(
        "select max(ready), max(queued), max(held) from asyncjob.rollup where minutes = 60 and job_name = 'succeed'"
    )
    assert tuple(most) == (0, 1, 1)


async def test_idle_daemon_looks_once_a_minute_and_writes_nothing(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(actions=SHORT).ready()
    query = (
        "select query_start, query from pg_stat_activity"
        " where datname = current_database() and application_name = 'asyncjobd upkeep'"
    )
    minutes: list[datetime] = []
    deadline = monotonic() + DEADLINE
    while len(minutes) < 5:
        for row in await db.fetch(query):
            assert "what has ended" not in row["query"]
            if "how the queue stands" not in row["query"]:
                continue
            if not minutes or row["query_start"] > minutes[-1] + SOON:
                minutes.append(row["query_start"])
        assert monotonic() < deadline
        await asyncio.sleep(0.01)
    assert minutes[-1] - minutes[0] > timedelta(seconds=1.6)  # four minutes
    assert await db.fetchval("select count(*) from asyncjob.rollup") == 0


async def test_history_that_is_off_is_not_written(db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon(metrics={"history": "0 s"}).ready()
    await run_many(db, "succeed", 1)
    assert daemon.stop() == 0
    assert await db.fetchval("select count(*) from asyncjob.rollup") == 0
