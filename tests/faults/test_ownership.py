"""A daemon dies, freezes or is cut off: its jobs run again, never beside it under a live lease."""

import asyncio
import json
import os
import resource
import signal
from pathlib import Path

import pytest

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database
from tests.conftest import NewDaemon
from tests.faults import ledger_handlers
from tests.faults.ledger import Execution, read_executions
from tests.faults.proxy import Proxy
from tests.support.actions import action, actions_of
from tests.support.daemon import DEADLINE, DaemonProcess
from tests.support.handlers import succeed
from tests.support.jobs import Connection, executions, insert, row, running, settled, until

pytestmark = pytest.mark.anyio

LEASE = 1.0
LONG_LEASE = 3.0  # where it must not be lost, on a busy machine neither
LEDGERED = actions_of(ledger_handlers)


class Noted:
    """The ledger of daemons that are started with its `life`."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "ledger"
        self._file.touch()

    def life(self, name: str) -> dict[str, str]:
        return {"LEDGER_FILE": str(self._file), "LEDGER_LIFE": name}

    async def executions_of(self, lives: int) -> list[Execution]:
        """Return the executions once there are so many: a row is owned before its handler notes that it began."""
        async with asyncio.timeout(DEADLINE):
            while len(executions := read_executions(self._file)) < lives:
                await asyncio.sleep(0.01)
        return executions


@pytest.fixture
def noted(tmp_path: Path) -> Noted:
    return Noted(tmp_path)


async def owned_by(db: Connection, job_id: int, daemon: DaemonProcess) -> None:
    daemon_id = daemon.wait_for("daemon.ready")["daemon_id"]
    await until(db, job_id, lambda r: r["daemon_id"] == daemon_id)


async def test_daemon_frozen_past_its_lease_writes_nothing_when_it_wakes(
    db: Connection, start_daemon: NewDaemon, tmp_path: Path
) -> None:
    await db.execute("create table effect (n integer)")
    files = [tmp_path / "thread", tmp_path / "writes"]
    frozen = start_daemon(name="frozen", lease=f"{LEASE} s").ready()
    thread = await insert(db, "block_in_thread", json.dumps({"file": str(files[0])}))
    sql = "insert into effect values (1)"
    writes = await insert(db, "writes", json.dumps({"file": str(files[1]), "sql": sql}))
    for job_id in (thread, writes):
        frozen.wait_for("job.started", job_id=job_id)
    os.kill(frozen.pid, signal.SIGSTOP)
    other = start_daemon(name="other", lease=f"{LEASE} s").ready()
    for job_id in (thread, writes):
        await owned_by(db, job_id, other)
    async with asyncio.timeout(DEADLINE):  # until then it may renew its lease
        while await db.fetchval("select count(*) from asyncjob.daemon where name = 'frozen'"):
            await asyncio.sleep(0.01)
    for file in files:
        file.touch()
    os.kill(frozen.pid, signal.SIGCONT)
    for job_id in (thread, writes):
        job = await settled(db, job_id)
        assert (job["status"], job["execution_total"]) == ("Completed", 2)
        assert [e["status"] for e in await executions(db, job_id)] == ["lost"]
    assert frozen.wait() == 1  # written off
    assert [len(frozen.events("job.lost", job_id=job_id)) for job_id in (thread, writes)] == [1, 1]
    assert not frozen.events("job.completed")
    assert await db.fetchval("select count(*) from effect") == 1


async def test_handler_that_blocks_the_loop_for_three_leases_keeps_its_job(
    db: Connection, start_daemon: NewDaemon
) -> None:
    blocked = start_daemon(name="blocked", lease=f"{LONG_LEASE} s").ready()
    job_id = await insert(db, "blocks_loop", json.dumps({"seconds": 3 * LONG_LEASE}))
    await running(db, job_id)
    other = start_daemon(name="other", lease=f"{LONG_LEASE} s").ready()
    job = await settled(db, job_id)
    assert (job["status"], job["execution_total"]) == ("Completed", 1)
    blocked.wait_for("job.completed", job_id=job_id)
    assert not other.events("job.rescued")
    assert not blocked.events("lease.unsure")


async def test_handler_that_blocks_the_loop_for_ever_loses_its_job(
    db: Connection, start_daemon: NewDaemon
) -> None:
    blocked = start_daemon(name="blocked", lease=f"{LEASE} s").ready()
    job_id = await insert(db, "blocks_loop", json.dumps({"seconds": 9 * LEASE}))
    await owned_by(db, job_id, blocked)
    other = start_daemon(name="other", lease=f"{LEASE} s", actions={"blocks_loop": action(succeed)}).ready()
    assert (await settled(db, job_id))["message"] == "done"
    other.wait_for("job.completed", job_id=job_id)
    assert blocked.wait() == 1
    assert len(blocked.events("job.lost", job_id=job_id)) == 1
    assert (await row(db, job_id))["message"] == "done"


async def test_daemon_that_is_cut_off_cancels_its_handlers_before_others_may_run_them(
    db: Connection, start_daemon: NewDaemon, proxy: Proxy, noted: Noted
) -> None:
    options = {"actions": LEDGERED, "lease": f"{LONG_LEASE} s"}
    cut_off = start_daemon(proxy=proxy, name="cut-off", environment=noted.life("cut-off"), **options).ready()
    job_id = await insert(db, "sleeps", '{"seconds": 3600}')
    await owned_by(db, job_id, cut_off)
    other = start_daemon(name="other", environment=noted.life("other"), **options).ready()
    proxy.refuses = True
    proxy.reset()
    cut_off.wait_for("lease.unsure")
    await owned_by(db, job_id, other)
    first, second = await noted.executions_of(2)
    assert (first.life, second.life) == ("cut-off", "other")
    assert first.end < second.start
    proxy.heal()
    assert cut_off.wait() == 1  # written off
    assert len(cut_off.events("job.lost", job_id=job_id)) == 1


async def test_daemon_cut_off_for_less_than_its_lease_keeps_its_jobs(
    db: Connection, start_daemon: NewDaemon, proxy: Proxy, tmp_path: Path
) -> None:
    daemon = start_daemon(proxy=proxy, lease="10 s").ready()
    file = tmp_path / "end"
    job_id = await insert(db, "block_in_thread", json.dumps({"file": str(file)}))
    await running(db, job_id)
    proxy.refuses = True
    proxy.reset()
    daemon.wait_for("database.away")
    proxy.heal()
    daemon.wait_for("database.back")
    file.touch()
    job = await settled(db, job_id)
    assert (job["status"], job["execution_total"]) == ("Completed", 1)
    assert not daemon.events("lease.unsure")


async def test_job_of_a_daemon_killed_on_another_host_runs_again_after_its_lease(
    db: Connection, start_daemon: NewDaemon
) -> None:
    killed = start_daemon(is_alone=True, name="killed", lease=f"{LEASE} s").ready()
    job_id = await insert(db, "block")
    await owned_by(db, job_id, killed)
    other = start_daemon(is_alone=True, name="other", lease=f"{LEASE} s").ready()
    os.kill(killed.daemon_pid, signal.SIGKILL)
    await owned_by(db, job_id, other)
    assert [e["status"] for e in await executions(db, job_id)] == ["lost"]


async def test_daemons_with_the_same_name_and_pid_are_told_apart(
    db: Connection, start_daemon: NewDaemon
) -> None:
    one = start_daemon(is_alone=True, name="same", lease=f"{LONG_LEASE} s").ready()
    job_id = await insert(db, "block")
    await owned_by(db, job_id, one)
    two = start_daemon(is_alone=True, name="same", lease=f"{LONG_LEASE} s").ready()
    for _ in range(10):
        await settled(db, await insert(db, "succeed", schedule_time=f"now() + interval '{LONG_LEASE / 4} s'"))
    assert not two.events("job.rescued")
    assert (await row(db, job_id))["execution_total"] == 1


async def test_daemon_that_renews_its_lease_after_it_was_judged_keeps_its_jobs(db: Connection) -> None:
    """Judge it by a heartbeat, after which it sends another one: the judgement may have waited out an outage."""
    daemon_id = 7
    await db.execute("set asyncjob.engine = 'on'")
    await db.execute(
        "insert into asyncjob.daemon (id, name, host, boot_id, pid, process_start, version, actions, concurrency,"
        " lease_seconds, heartbeat) values ($1, 'd', 'h', 'b', 1, 1, '1', '{}', 1, 1, 41)",
        daemon_id,
    )
    job_id = await insert(db, "succeed")
    await db.execute(
        "update asyncjob.job set daemon_id = $2, claim_token = 1, started_at = now(), execution_count = 1,"
        " execution_total = 1, max_execution_count = 5 where id = $1",
        job_id, daemon_id,
    )  # fmt: skip
    query = Database(DatabaseConfig(dsn="postgresql://nowhere")).query

    async def rescue(heartbeat: int) -> int:
        rows = await db.fetch(
            *query("fleet/rescue_jobs", job_ids=[job_id], gone_daemons=[daemon_id], heartbeats=[heartbeat])
        )
        return len(rows)

    async def delete(heartbeat: int) -> int:
        return len(
            await db.fetch(*query("fleet/delete_daemons", daemon_ids=[daemon_id], heartbeats=[heartbeat]))
        )

    assert await rescue(40) == 0
    assert await rescue(41) == 1
    assert await delete(40) == 0
    assert await delete(41) == 1


async def test_outage_that_hits_all_daemons_moves_no_job(
    db: Connection, start_daemon: NewDaemon, proxy: Proxy, tmp_path: Path
) -> None:
    """A daemon that could not look cannot know which others were silent meanwhile."""
    file = tmp_path / "end"
    daemons = [start_daemon(proxy=proxy, name=name, lease="4 s").ready() for name in ("one", "two")]
    job_id = await insert(db, "block_in_thread", json.dumps({"file": str(file)}))
    await running(db, job_id)
    proxy.refuses = True
    proxy.reset()
    for daemon in daemons:
        daemon.wait_for("lease.unsure")
    await asyncio.sleep(2)  # past the lease, which is only unsure at its 0.8
    proxy.heal()
    for daemon in daemons:
        daemon.wait_for("database.back")
    file.touch()
    assert (await settled(db, job_id))["execution_total"] == 1
    assert not any(daemon.events("job.rescued") for daemon in daemons)


async def test_execution_whose_row_was_rewound_by_a_failover_is_cancelled(
    db: Connection, daemon: DaemonProcess
) -> None:
    """An asynchronous replica that never heard of the claim would offer the row again."""
    job_id = await insert(db, "block")
    await running(db, job_id)
    async with db.transaction():
        await db.execute("set local asyncjob.engine = 'on'")
        await db.execute(
            "update asyncjob.job set daemon_id = null, claim_token = null, execution_count = 0, execution_total = 0,"
            " job_name = 'asleep' where id = $1", job_id,
        )  # fmt: skip
    daemon.wait_for("job.disowned", job_id=job_id)
    daemon.wait_for("job.lost", job_id=job_id)
    assert (await row(db, job_id))["execution_total"] == 0


@pytest.mark.parametrize(
    "fault", ["delete from asyncjob.daemon", "alter table asyncjob.daemon rename to gone"]
)
async def test_daemon_that_cannot_go_on_exits_despite_a_stuck_handler_thread(
    db: Connection, start_daemon: NewDaemon, tmp_path: Path, fault: str
) -> None:
    daemon = start_daemon(lease=f"{LEASE} s", shutdown_grace="1 s").ready()
    await running(db, await insert(db, "block_in_thread", json.dumps({"file": str(tmp_path / "never")})))
    await db.execute(fault)
    assert daemon.wait() == 1


async def test_daemon_that_can_open_no_file_keeps_its_lease(db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon(lease=f"{LONG_LEASE} s").ready()
    taken = {int(file.name) for file in Path(f"/proc/{daemon.pid}/fd").iterdir()}
    least_free = min(set(range(len(taken) + 1)) - taken)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (least_free, least_free))
    heartbeats = "select heartbeat from asyncjob.daemon"
    before = await db.fetchval(heartbeats)
    async with asyncio.timeout(DEADLINE):
        while await db.fetchval(heartbeats) < before + 3:
            await asyncio.sleep(0.05)
    assert daemon.process.poll() is None
