"""Who has written a status: the role, and for whom, as the session says."""

import asyncpg
import pytest

from tests.conftest import NewDaemon
from tests.support.jobs import Connection, insert, row, running, set_status, settled, unowned

pytestmark = pytest.mark.anyio


async def act_for(db: Connection, name: str) -> None:
    await db.execute("select set_config('asyncjob.actor', $1, false)", name)


async def test_order_is_kept_with_who_gave_it_and_when(db: Connection) -> None:
    job_id = await insert(db, "block", schedule_time="now() + interval '1 day'")
    new = await row(db, job_id)
    assert (new["ordered_at"], new["ordered_by"]) == (None, None)
    await act_for(db, "ann@example.com")
    await set_status(db, job_id, "Hold")
    held = await row(db, job_id)
    assert held["ordered_by"] == "postgres for ann@example.com"
    assert new["created_at"] < held["ordered_at"] <= held["now"]
    await act_for(db, "")
    await set_status(db, job_id, "Hold")  # which it has already
    assert (await row(db, job_id))["ordered_by"] == "postgres for ann@example.com"
    await set_status(db, job_id, "Queued")
    assert (await row(db, job_id))["ordered_by"] == "postgres"


@pytest.mark.parametrize("status", ["Completed", "Failed"])
async def test_message_of_a_job_that_a_client_ended_names_who_did(db: Connection, status: str) -> None:
    await act_for(db, "ann")
    job_id = await insert(db, "block")
    await set_status(db, job_id, status)
    assert (await row(db, job_id))["message"] == f"set to {status} by postgres for ann"


async def test_order_to_a_running_job_is_kept(db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon().ready()
    job_id = await insert(db, "block")
    await running(db, job_id)
    await act_for(db, "ann")
    await set_status(db, job_id, "Hold")
    assert (await unowned(db, job_id, "Hold"))["ordered_by"] == "postgres for ann"
    await act_for(db, "bob")
    await set_status(db, job_id, "Failed")
    assert (await settled(db, job_id))["ordered_by"] == "postgres for bob"


async def test_pause_names_who_paused(db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon().ready()
    await act_for(db, "ann")
    await db.execute("update asyncjob.action set paused_until = 'infinity' where name = 'block'")
    paused_by = await db.fetchval("select paused_by from asyncjob.action where name = 'block'")
    assert paused_by == "postgres for ann"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nb\x1b[31m", "postgres for a?b?[31m"),
        ("x" * 300, "postgres for " + "x" * 200),
        ("postgres", "postgres"),
    ],
)
async def test_name_is_made_harmless(db: Connection, name: str, shown: str) -> None:
    await act_for(db, name)
    assert await db.fetchval("select asyncjob.actor()") == shown


async def test_client_cannot_write_whose_order_it_was(db: Connection) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="belongs to the daemon: ordered_by"):
        await insert(db, "succeed", ordered_by="'ann'")
    job_id = await insert(db, "succeed", status="'Hold'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="belongs to the daemon: ordered_at"):
        await db.execute("update asyncjob.job set ordered_at = now() where id = $1", job_id)


async def test_history_has_no_orders(db: Connection) -> None:
    job_id = await insert(db, "succeed", status="'Completed'", ordered_by="'ann'", ordered_at="'20000-01-01'")
    recorded = await row(db, job_id)
    assert (recorded["ordered_by"], recorded["ordered_at"]) == (None, None)
