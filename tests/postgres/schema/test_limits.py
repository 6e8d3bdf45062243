"""The limits of an action and the key of a job, as the tables take them."""

import asyncpg
import pytest

from tests.support.jobs import Connection, insert, row

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def action(db: Connection) -> None:
    await db.execute("insert into asyncjob.action (name, handler, is_active) values ('a', 'm:a', true)")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("max_running", ["-1"]),
        ("max_running_per_key", ["-1"]),
        ("max_running_per_daemon", ["-1"]),
        ("burst", ["0", "1000001"]),
        ("rate", ["'fast'", "'0 per day'"]),
        ("rate_per_key", ["''", "'1 per year'"]),
    ],
)
async def test_impossible_limit_is_refused(db: Connection, column: str, values: list[str]) -> None:
    for value in values:
        with pytest.raises(asyncpg.CheckViolationError, match=column.removesuffix("_per_key")):
            await db.execute(f"update asyncjob.action set {column} = {value}")


@pytest.mark.parametrize(
    ("column", "value", "is_limited"),
    [
        ("max_running", "0", True), ("max_running_per_key", "2147483647", True), ("rate", "'1 per day'", True),
        ("rate_per_key", "'999999999 per second'", True), ("burst", "1000000", False),
        ("max_running_per_daemon", "0", False),
    ],
)  # fmt: skip
async def test_view_has_the_actions_that_are_limited_for_all_daemons(
    db: Connection, column: str, value: str, is_limited: bool
) -> None:
    for set_to, is_in_view in ((value, is_limited), ("null", False)):
        await db.execute(f"update asyncjob.action set {column} = {set_to}")
        names = [each["name"] for each in await db.fetch("select name from asyncjob.limits")]
        assert names == (["a"] if is_in_view else [])


async def test_action_at_0_is_saturated(db: Connection) -> None:
    for limit, is_saturated in ((0, True), (1, False)):
        await db.execute("update asyncjob.action set max_running = $1", limit)
        found = await db.fetchrow("select running, saturated, next_start_at from asyncjob.limits")
        assert tuple(found) == (0, is_saturated, None)


async def test_key_has_as_many_bytes_as_the_table_says(db: Connection) -> None:
    key = "é" * 250
    assert (await row(db, await insert(db, "a", limit_key=f"'{key}'")))["limit_key"] == key
    with pytest.raises(asyncpg.CheckViolationError, match="limit_key must have 1 to 500 bytes"):
        await insert(db, "a", limit_key=f"'{key}x'")


async def test_key_from_a_param_that_is_too_long_is_refused_as_one_that_is_written(db: Connection) -> None:
    await db.execute(
        "create trigger a_limit_key before insert on asyncjob.job for each row"
        " when (new.job_name = 'a') execute function asyncjob.limit_key_from_params('tenant')"
    )
    with pytest.raises(asyncpg.CheckViolationError, match="limit_key must have 1 to 500 bytes"):
        await insert(db, "a", f'{{"tenant": "{"x" * 501}"}}')
