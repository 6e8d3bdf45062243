"""Clients and a daemon that write the same row at the same time."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import asyncpg
import pytest

from tests.conftest import NewDaemon
from tests.faults.ledger import read_executions
from tests.faults.ledger_handlers import sleeps, sleeps_in_thread, writes
from tests.support.actions import action
from tests.support.daemon import DaemonProcess
from tests.support.jobs import (
    Connection,
    executions,
    insert,
    row,
    running,
    set_status,
    settled,
    unowned,
    until,
)

pytestmark = pytest.mark.anyio

LEDGERED = {handler.__name__: action(handler) for handler in (sleeps, sleeps_in_thread, writes)}
STATUSES = ["Queued", "In Progress", "Hold", "Completed", "Failed"]


@pytest.fixture
async def other(dsn: str) -> AsyncIterator[Connection]:
    """A second client."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


async def test_clients_that_toggle_statuses_never_make_a_job_run_twice_at_once(
    db: Connection, other: Connection, start_daemon: NewDaemon, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    for name in ("one", "two"):
        environment = {"LEDGER_FILE": str(ledger), "LEDGER_LIFE": name}
        start_daemon(name=name, actions=LEDGERED, environment=environment).ready()
    await db.execute("create schema ledger; create table ledger.effect (job_id bigint, lease bigint)")
    jobs = [await insert(db, name, '{"seconds": 0.1}') for name in LEDGERED for _ in range(4)]
    chance = random.Random(5)

    async def toggle(client: Connection, rounds: int) -> None:
        for _ in range(rounds):
            async with client.transaction():
                for job_id in sorted(chance.sample(jobs, 3)):
                    for _ in range(chance.randint(1, 3)):
                        await set_status(client, job_id, chance.choice(STATUSES))
                await asyncio.sleep(chance.uniform(0, 0.02))

    await asyncio.gather(toggle(db, 150), toggle(other, 150))
    for job_id in jobs:
        await until(
            db, job_id, lambda r: r["daemon_id"] is None and r["status"] not in ("Queued", "In Progress")
        )
        await set_status(db, job_id, "Hold")
        await set_status(db, job_id, "In Progress")
        assert (await settled(db, job_id))["status"] == "Completed"
    found = read_executions(ledger)
    assert len(found) > len(jobs)
    for job_id in jobs:
        of_job = sorted((e for e in found if e.job == job_id), key=lambda e: e.start)
        assert all(first.end <= second.start for first, second in pairwise(of_job))
        effects = await db.fetch(
            "select lease, count(*) from ledger.effect where job_id = $1 group by lease", job_id
        )
        assert all(r["count"] == 1 for r in effects)


@pytest.mark.parametrize(
    ("status", "ends_as"), [("Hold", "Hold"), ("Failed", "Failed"), ("Queued", "Completed")]
)
async def test_client_that_stays_in_its_transaction_decides_over_a_job_that_ends_meanwhile(
    db: Connection, other: Connection, daemon: DaemonProcess, tmp_path: Path, status: str, ends_as: str
) -> None:
    file = tmp_path / "end"
    job_id = await insert(db, "block_in_thread", json.dumps({"file": str(file)}))
    await running(db, job_id)
    async with db.transaction():
        await set_status(db, job_id, status)
        file.touch()
        assert (await settled(other, await insert(other, "succeed")))[
            "status"
        ] == "Completed"  # others are not held up
        assert (await row(other, job_id))["status"] == "In Progress"
    await unowned(db, job_id, ends_as)
    assert [e["status"] for e in await executions(db, job_id)] == ["success"]
    assert daemon.stop() == 0
    assert len(daemon.events("job.stopped", job_id=job_id)) == 1


async def test_stop_that_is_rolled_back_stops_nothing(db: Connection, daemon: DaemonProcess) -> None:
    job_id = await insert(db, "block")
    before = await running(db, job_id)
    transaction = db.transaction()
    await transaction.start()
    await set_status(db, job_id, "Failed")
    await transaction.rollback()
    await settled(db, await insert(db, "succeed"))
    job = await row(db, job_id)
    assert (job["status"], job["claim_token"], job["daemon_id"]) == (
        "In Progress",
        before["claim_token"],
        before["daemon_id"],
    )
    assert not daemon.events("job.stopping")


async def test_deleted_row_whose_notification_was_lost_stops_its_handler(
    db: Connection, daemon: DaemonProcess
) -> None:
    job_id = await insert(db, "block")
    await running(db, job_id)
    await db.execute("alter table asyncjob.job disable trigger job_deleted")
    await db.execute("delete from asyncjob.job where id = $1", job_id)
    daemon.wait_for("job.disowned", job_id=job_id)
    daemon.wait_for("job.lost", job_id=job_id)


async def test_unique_key_of_a_running_job_does_not_reset_it(db: Connection, daemon: DaemonProcess) -> None:
    job_id = await insert(db, "block", unique_key="'one'")
    before = await running(db, job_id)
    again = "insert into asyncjob.job (job_name, unique_key) values ('block', 'one') on conflict do nothing returning id"
    assert await db.fetchval(again) is None
    assert dict(await row(db, job_id)) | {"now": None} == dict(before) | {"now": None}


async def test_clients_that_race_to_run_an_ended_job_again_make_it_run_once(
    db: Connection, other: Connection, daemon: DaemonProcess
) -> None:
    job_id = await insert(db, "succeed")
    await settled(db, job_id)
    await asyncio.gather(set_status(db, job_id, "In Progress"), set_status(other, job_id, "In Progress"))
    await until(db, job_id, lambda r: r["status"] == "Completed" and r["execution_total"] > 1)
    total = (await row(db, job_id))["execution_total"]
    assert daemon.stop() == 0
    assert total == len(daemon.events("job.completed", job_id=job_id))
