"""The table of schedules refuses what daemons cannot follow, and tells them of what is changed."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.engine.jobs.schedule_moves import Move, move
from asyncjobd.postgres.database import Database
from tests.support.daemon import DEADLINE
from tests.support.jobs import Connection, as_engine
from tests.support.schedules import NEVER, add, read, set_next

pytestmark = pytest.mark.anyio

DATABASE = Database(DatabaseConfig())


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"name": ""}, "name must have 1 to 400 bytes, and is empty"),
        ({"name": "x" * 401}, "name must have 1 to 400 bytes"),
        ({"job_name": "x" * 501}, "job_name must have 1 to 500 bytes"),
        ({"cron": None}, "cron or every must be there, and not both; cron, and is empty"),
        ({"every": "1 day"}, "cron or every must be there, and not both"),
        ({"cron": "* * * *"}, "cron must have 5 fields .* and is \\* \\* \\* \\*"),
        ({"cron": "* * * * * * *"}, "cron must have 5 fields"),
        ({"cron": "@daily 1"}, "cron must have 5 fields"),
        ({"cron": " @daily"}, "cron must have 5 fields"),
        ({"cron": "1" * 600 + " * * * *"}, "cron must have 5 fields"),
        ({"time_zone": ""}, "time_zone must be a name such as Europe/Berlin"),
        ({"cron": None, "every": "0.9 s"}, "every must be from 1 second to 360000 days"),
        ({"cron": None, "every": "360001 days"}, "every must be from 1 second to 360000 days"),
        ({"cron": None, "every": "1 month"}, "every must be without months and years, which cron has"),
        ({"cron": None, "every": "1 year -1 day"}, "every must be without months and years"),
        ({"cron": None, "every": "1 day", "anchor": "infinity"}, "anchor must lie between"),
        ({"max_execution_count": 0}, "max_execution_count must be at least 1"),
        ({"timeout": "-1 s"}, "timeout must be more than 0"),
        ({"limit_key": ""}, "limit_key must have 1 to 500 bytes, and is empty"),
        ({"catch_up": "some"}, "catch_up must be none, one or all, and is some"),
        ({"catch_up_for": "-1 s"}, "catch_up_for must be from 0 to 1000 years, and is -00:00:01"),
        ({"catch_up_for": "5000000 years -1799999999 days"}, "catch_up_for must be from 0 to 1000 years"),
        ({"paused_until": "9999-12-31 23:59:59-05"}, "paused_until must be infinity, or lie between"),
        ({"overlap": "cancel"}, "overlap must be skip, queue or allow"),
        ({"jitter": "2 days"}, "jitter must be from 0 to 1 day"),
        ({"next_at": "infinity"}, "next_at must lie between"),
    ],
)
async def test_impossible_schedule_is_refused(db: Connection, columns: dict[str, Any], said: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match=said):
        await add(db, **{"name": "s", "cron": NEVER, **columns})


@pytest.mark.parametrize("cron", ["@daily", "0 30 2 * * MON-FRI", " */5  0 L * 1#2 ", "0 0 LW 1,2 *"])
async def test_cron_lines_of_all_forms_are_taken(db: Connection, cron: str) -> None:
    await add(db, "s", cron=cron)


async def test_cron_line_is_taken_from_a_session_that_reads_backslashes_otherwise(db: Connection) -> None:
    await db.execute("set standard_conforming_strings = off")
    await add(db, "s", cron="0 30 2 * * MON-FRI")


@pytest.mark.parametrize(
    "change",
    ["source = 'file'", "configured_by = 'me'", "last_at = now()", "last_job_id = 7", "problem = 'none'"],
)
async def test_client_writes_no_column_of_the_daemon(db: Connection, change: str) -> None:
    await add(db, "s")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="belongs to the daemon"):
        await db.execute(f"update asyncjob.schedule set {change}")
    column, _, value = change.partition(" = ")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="belongs to the daemon"):
        await db.execute(
            f"insert into asyncjob.schedule (name, cron, job_name, {column}) values ('t', '@daily', 'a', {value})"
        )


@pytest.mark.parametrize("change", ["cron = '@daily'", "params = '{\"a\": 1}'", "name = 't'", "priority = 1"])
async def test_schedule_of_the_configuration_is_changed_there(db: Connection, change: str) -> None:
    await add(db, "s")
    await as_engine(db, "update asyncjob.schedule set source = 'file', configured_by = 'blue'")
    with pytest.raises(
        asyncpg.InsufficientPrivilegeError, match="schedule s: it belongs to the configuration of daemon blue"
    ) as refusal:
        await db.execute(f"update asyncjob.schedule set {change}")
    assert "SQL may pause it (paused_until) and run it now (next_at)" in str(refusal.value.hint)
    await db.execute("update asyncjob.schedule set paused_until = 'infinity', next_at = now()")


@pytest.mark.parametrize(
    ("change", "is_found_anew"),
    [
        ("cron = '@daily'", True),
        ("cron = null, every = '1 day'", True),
        ("time_zone = 'Asia/Tokyo'", True),
        ("anchor = now()", True),
        ("params = '{\"a\": 1}', overlap = 'allow'", False),
        ("paused_until = 'infinity'", False),
        ("cron = '@daily', next_at = '2101-01-01 UTC'", False),
    ],
)
async def test_next_time_is_found_anew_only_where_the_times_are_others(
    db: Connection, change: str, is_found_anew: bool
) -> None:
    await add(db, "s", next_at="2100-01-01 UTC")
    await as_engine(db, "update asyncjob.schedule set problem = 'old'")
    await db.execute(f"update asyncjob.schedule set {change}")
    found = await read(db, "s")
    assert (found["next_at"] is None) == is_found_anew
    assert (found["problem"] is None) == ("cron" in change or is_found_anew)


@pytest.mark.parametrize(
    ("paused_until", "is_forgotten"), [("null", True), ("now()", True), ("now() + interval '1 day'", False)]
)
async def test_end_of_a_pause_forgets_what_has_passed(
    db: Connection, paused_until: str, is_forgotten: bool
) -> None:
    await add(db, "s", next_at="2020-01-01 UTC", paused_until="infinity")
    await db.execute(f"update asyncjob.schedule set paused_until = {paused_until}")
    assert ((await read(db, "s"))["next_at"] is None) == is_forgotten


@pytest.mark.parametrize(
    "changes",
    [
        ["update asyncjob.schedule set cron = '@hourly'"],
        ["update asyncjob.schedule set catch_up = 'all'"],
        ["update asyncjob.schedule set catch_up_for = '1 year'"],
        ["update asyncjob.schedule set paused_until = now(), changed_at = null"],
        [
            "delete from asyncjob.schedule",
            "insert into asyncjob.schedule (name, job_name, cron, changed_at) values ('s', 'succeed', '@daily', '2020-01-01')",
        ],
    ],
)
async def test_daemon_does_not_move_a_schedule_by_what_it_was_before(
    db: Connection, changes: list[str]
) -> None:
    await add(db, "s", cron="@daily")
    stale = await moves(db)
    for change in changes:
        await db.execute(change)
    assert await carried_out(db, stale) == set()
    assert await carried_out(db, await moves(db)) == {"s"}


async def moves(db: Connection) -> list[Move]:
    """Return the moves of all schedules, as a daemon finds them."""
    rows = await db.fetch(*DATABASE.query("jobs/find_next_schedules", left_alone=[], limit=10))
    return [move(row, datetime.now(UTC)) for row in rows]


async def carried_out(db: Connection, asked: list[Move]) -> set[str]:
    """Carry out moves as a daemon does, and return the names of the schedules that were moved."""
    query = DATABASE.query(
        "jobs/move_schedules",
        clock=(await db.fetchval("select date_part('epoch', now())")),
        names=[each.name for each in asked],
        changed_at=[each.changed_at for each in asked],
        next_at=[each.next_at for each in asked],
        following=[each.following for each in asked],
        times=["{}" for _ in asked],
        problems=[None for _ in asked],
    )
    return {row["name"] for row in await db.fetch(*query)}


async def test_daemons_are_told_of_what_clients_change(db: Connection, dsn: str) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    listener = await asyncpg.connect(dsn)
    await listener.add_listener("asyncjob", lambda *told: heard.put_nowait(str(told[3])))

    async def is_told() -> None:
        async with asyncio.timeout(DEADLINE):
            assert await heard.get() == "schedule"

    await add(db, "s")
    await is_told()
    await set_next(db, "s", "now()")
    await is_told()
    await db.execute("update asyncjob.schedule set paused_until = 'infinity'")
    await is_told()
    await as_engine(db, "update asyncjob.schedule set next_at = '2100-01-01 UTC', last_at = now()")
    await db.execute("update asyncjob.schedule set cron = '@daily'")
    await is_told()
    assert heard.empty()
    await listener.close()
