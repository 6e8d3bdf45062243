"""A daemon that drains claims nothing, gives back what has not begun, and lives on."""

import pytest

from tests.conftest import NewDaemon
from tests.support.daemon import DaemonProcess
from tests.support.jobs import Connection, insert, row, running, settled, unowned
from tests.support.service_manager import ServiceManager

pytestmark = pytest.mark.anyio

LONG_LEASE = "3600 s"


async def drain(db: Connection, name: str, is_draining: bool = True) -> None:
    await db.execute("update asyncjob.daemon set is_draining = $2 where name = $1", name, is_draining)


async def test_daemon_that_drains_claims_nothing_until_it_is_undone(
    db: Connection, start_daemon: NewDaemon
) -> None:
    daemon = start_daemon(lease=LONG_LEASE, name="blue").ready()
    runs = await insert(db, "sleeps", '{"seconds": 2}')
    await running(db, runs)
    await drain(db, "blue")
    daemon.wait_for("daemon.draining")
    waits = await insert(db, "succeed")
    assert (await settled(db, runs))["status"] == "Completed"
    assert (await row(db, waits))["started_at"] is None
    await drain(db, "blue", False)
    daemon.wait_for("daemon.draining_ended")
    assert (await settled(db, waits))["status"] == "Completed"
    assert daemon.process.poll() is None


async def test_other_daemon_takes_what_one_that_drains_gives_back(
    db: Connection, start_daemon: NewDaemon
) -> None:
    blue = start_daemon(lease=LONG_LEASE, name="blue", concurrency=1).ready()
    await db.execute("insert into asyncjob.job (job_name) select 'succeed' from generate_series(1, 2000)")
    await settled(db, await db.fetchval("select min(id) from asyncjob.job"))
    await drain(db, "blue")
    blue.wait_for("daemon.draining")
    await db.execute("insert into asyncjob.job (job_name, priority) values ('succeed', 1)")
    last = await db.fetchval("select max(id) from asyncjob.job")
    await unowned(db, last, "In Progress")
    green = start_daemon(lease=LONG_LEASE, name="green").ready()
    assert (await settled(db, last))["status"] == "Completed"
    assert await db.fetchval("select count(*) from asyncjob.job where status <> 'Completed'") == 0
    assert green.process.poll() is None
    assert blue.stop() == 0


async def test_heartbeat_tells_what_no_notification_told(db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon(lease="1 s", name="blue").ready()
    await db.execute("set asyncjob.notify = 'off'")
    await drain(db, "blue")
    daemon.wait_for("daemon.draining")


async def test_service_status_says_that_it_drains(
    db: Connection, start_daemon: NewDaemon, service_manager: ServiceManager
) -> None:
    start_daemon(name="blue", environment=service_manager.environment).ready()
    await drain(db, "blue")
    service_manager.wait_for(lambda message: "STATUS=draining" in message)


async def test_null_is_refused(db: Connection, daemon: DaemonProcess) -> None:
    with pytest.raises(Exception, match="is_draining"):
        await db.execute("update asyncjob.daemon set is_draining = null")
