"""Old minutes become hours, with the same sums whoever folds them; old hours go."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from tests.conftest import NewDaemon
from tests.engine.upkeep.test_history_writer import SHORT
from tests.support.jobs import Connection

pytestmark = pytest.mark.anyio

DATABASE = Database(DatabaseConfig())
FOLD_AFTER = timedelta(days=3)
COUNTED = ("completed", "failed", "retried", "repeated", "stopped")
SUMS = (
    "select coalesce(sum(completed), 0), coalesce(sum(failed), 0), coalesce(sum(retried), 0), coalesce(sum(repeated), 0),"
    " coalesce(sum(stopped), 0), sum(waited), sum(ran), max(ready), max(queued),"
    " max(held), max(oldest_ready) from asyncjob.rollup"
)

counts = st.integers(0, 1_000_000)
histograms = st.integers(0, 10**750)
minute = st.tuples(
    st.integers(0, 239), st.sampled_from("ab"), st.sampled_from([0, 1, 2]), counts, histograms, histograms
)
minutes = st.lists(minute, max_size=30, unique_by=lambda each: each[:3])


async def insert(db: Connection, rows: list[tuple[Any, ...]]) -> None:
    """Insert minutes, each after so many of the hour that was 100 hours ago."""
    await db.executemany(
        "insert into asyncjob.rollup (minutes, began_at, job_name, daemon_id, completed, failed, retried, repeated,"
        " stopped, waited, ran, ready, queued, held, oldest_ready)"
        " values (1, date_trunc('hour', now()) - interval '100 hours' + $1 * interval '1 minute', $2, $3, $4, $4 + 1,"
        " $4 + 2, $4 + 3, $4 + 4, $5, $6, $4, $4 + 1, $4 + 2, $4::integer::real)",
        rows,
    )  # fmt: skip


async def fold(db: Connection) -> None:
    while await db.fetch(*DATABASE.query("upkeep/fold_history", fold_after=FOLD_AFTER)):
        pass


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sooner=minutes, later=minutes)
async def test_folding_keeps_sums(db: Connection, sooner: list[Any], later: list[Any]) -> None:
    """Also of minutes that come after their hour was folded."""
    await db.execute("truncate asyncjob.rollup")
    await insert(db, sooner)
    await fold(db)
    await insert(db, later)
    before = await db.fetchrow(SUMS)
    await fold(db)
    assert await db.fetchrow(SUMS) == before
    hours = await db.fetch("select minutes, began_at, job_name, daemon_id from asyncjob.rollup")
    assert len(hours) == len({(each[0] // 60, each[1]) for each in (*sooner, *later)})
    assert {(row["minutes"], row["daemon_id"]) for row in hours} <= {(60, 0)}
    assert all(row["began_at"].minute == 0 for row in hours)


async def test_daemons_that_fold_at_once_count_once(dsn: str, db: Connection) -> None:
    await insert(db, [(n, "a", daemon, 1, 7, 8) for n in range(240) for daemon in (1, 2)])
    before = await db.fetchrow(SUMS)
    others = [await asyncpg.connect(dsn) for _ in range(4)]
    await asyncio.gather(*map(fold, others))
    await asyncio.gather(*(other.close() for other in others))
    assert await db.fetchrow(SUMS) == before
    assert await db.fetchval("select count(*) from asyncjob.rollup") == 4


async def test_daemon_folds_old_minutes_and_deletes_old_hours(
    db: Connection, start_daemon: NewDaemon
) -> None:
    await insert(db, [(n, "a", 1, 1, 7, 8) for n in range(60)])
    await db.execute(
        "insert into asyncjob.rollup (minutes, began_at, job_name, daemon_id)"
        " select 60, date_trunc('hour', now()) - n * interval '1 day', 'old', 0 from generate_series(1, 20) as n"
        " union all select 1, date_trunc('minute', now()) - interval '2 days', 'recent', 1"
    )
    daemon = start_daemon(metrics={"history": "10 days"}, actions=SHORT).ready()
    shortened = daemon.wait_for("history.shortened")
    assert (shortened["deleted"], shortened["hours"]) == (11, 1)
    rows = await db.fetch(
        "select job_name, minutes, count(*) as rows, sum(completed) as completed from asyncjob.rollup"
        " group by job_name, minutes order by job_name"
    )
    assert [tuple(row) for row in rows] == [("a", 60, 1, 60), ("old", 60, 9, 0), ("recent", 1, 1, 0)]
