"""Hours have the same sums as their minutes, whoever writes them, and each goes when its time is over."""

import asyncio
import json
from collections import defaultdict
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
HOUR = 1_000_000 * 3600  # when one began, in seconds since 1970
COUNTED = ("completed", "failed", "retried", "repeated", "stopped", "waited", "ran")
SUMS = (
    "select began_at, job_name, sum(completed), sum(failed), sum(retried), sum(repeated), sum(stopped), sum(waited),"
    " sum(ran) from (select date_trunc('hour', began_at) as began_at, job_name, completed, failed, retried, repeated,"
    " stopped, waited, ran from asyncjob.rollup where minutes = $1) as part group by 1, 2 order by 1, 2"
)

counts = st.integers(0, 1_000_000)
histograms = st.integers(0, 10**750)
figures = st.tuples(counts, counts, counts, counts, counts, histograms, histograms)
minute = st.tuples(st.integers(0, 239), st.sampled_from([1, 2]), st.sampled_from("ab"), figures)

Minute = tuple[int, int, str, tuple[int, ...]]  # after the hour, of a daemon, the name, and COUNTED


async def write(db: Connection, minutes: list[Minute]) -> None:
    """Write what has ended as daemons do, one statement for each minute of a daemon."""
    batches = defaultdict[tuple[int, int], dict[str, Any]](dict)
    for number, daemon_id, name, counted in minutes:
        batches[number, daemon_id][name] = dict(zip(COUNTED, counted, strict=True))
    for (number, daemon_id), of_names in batches.items():
        rows = [
            {"job_name": name, **each, "waited": str(each["waited"]), "ran": str(each["ran"])}
            for name, each in of_names.items()
        ]
        await db.execute(
            *DATABASE.query(
                "upkeep/write_history",
                minute=HOUR + 60 * number,
                daemon_id=daemon_id,
                figures=json.dumps(rows),
            )
        )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sooner=st.lists(minute, max_size=30), later=st.lists(minute, max_size=30))
async def test_hours_have_the_sums_of_their_minutes(
    db: Connection, sooner: list[Minute], later: list[Minute]
) -> None:
    """Also where a batch is sent again, of which only what is new is written."""
    await db.execute("truncate asyncjob.rollup")
    await write(db, sooner)
    await write(db, later + sooner)
    assert await db.fetch(SUMS, 60) == await db.fetch(SUMS, 1)
    hours = await db.fetch("select daemon_id from asyncjob.rollup where minutes = 60")
    assert len(hours) == len({(each[0] // 60, each[2]) for each in (*sooner, *later)})
    assert {row["daemon_id"] for row in hours} <= {0}


async def test_daemons_that_write_one_hour_at_once_count_once(dsn: str, db: Connection) -> None:
    others = [await asyncpg.connect(dsn) for _ in range(4)]
    ended = (1, 2, 3, 4, 5, 6, 7)
    await asyncio.gather(
        *(
            write(other, [(n, daemon_id, name, ended) for n in range(60) for name in "ab"])
            for daemon_id, other in enumerate(others, 1)
        )
    )
    await asyncio.gather(*(other.close() for other in others))
    rows = await db.fetch("select completed, ran from asyncjob.rollup where minutes = 60")
    assert [tuple(row) for row in rows] == [(240, 1680)] * 2


async def test_daemon_deletes_what_is_old(db: Connection, start_daemon: NewDaemon) -> None:
    await db.execute(
        "insert into asyncjob.rollup (minutes, began_at, job_name, daemon_id)"
        " select minutes, date_trunc('hour', now()) - n * interval '1 day' - interval '2 hours', 'n' || minutes, 0"
        "   from generate_series(1, 20) as n, (values (1), (60)) as length (minutes)"
    )
    daemon = start_daemon(metrics={"history": "10 days"}, actions=SHORT).ready()
    assert daemon.wait_for("history.deleted")["rows"] == 18 + 11
    rows = await db.fetch(
        "select job_name, count(*) as rows from asyncjob.rollup where job_name like 'n%' group by job_name order by job_name"
    )
    assert [tuple(row) for row in rows] == [("n1", 2), ("n60", 9)]
