"""The messages to systemd, which must restart a daemon that hangs and no other."""

import os
import signal
import time

import pytest
from anyio.from_thread import BlockingPortal

from tests.conftest import NewDaemon
from tests.faults.proxy import Proxy
from tests.observability import watchdog_handlers
from tests.support.actions import COMMON, Actions, actions_of
from tests.support.daemon import DEADLINE
from tests.support.jobs import Connection, insert, running, settled
from tests.support.service_manager import ServiceManager

pytestmark = pytest.mark.anyio

WATCHDOG = 1.2  # seconds: a busy machine may well stall a daemon for half of one


@pytest.fixture(scope="module")
def actions() -> Actions:
    return COMMON | actions_of(watchdog_handlers)


def under(manager: ServiceManager) -> dict[str, str]:
    return {**manager.environment, "WATCHDOG_USEC": f"{WATCHDOG * 1e6:.0f}"}


def is_fed(manager: ServiceManager, seconds: float) -> bool:
    """Return whether systemd was told in each WATCHDOG of these seconds that the daemon works."""
    end = time.monotonic() + seconds
    manager.heard()
    while time.monotonic() < end:
        time.sleep(WATCHDOG)
        if "WATCHDOG=1" not in "\n".join(manager.heard()):
            return False
    return True


async def test_daemon_that_works_or_waits_is_not_restarted(
    db: Connection, start_daemon: NewDaemon, service_manager: ServiceManager
) -> None:
    start_daemon(concurrency=1, environment=under(service_manager)).ready()
    assert is_fed(service_manager, 2 * WATCHDOG)
    await running(db, await insert(db, "block"))
    await insert(db, "succeed")  # waits for a slot
    assert is_fed(service_manager, 2 * WATCHDOG)


async def test_daemon_whose_database_is_away_is_not_restarted(
    db: Connection,
    start_daemon: NewDaemon,
    service_manager: ServiceManager,
    proxy: Proxy,
    portal: BlockingPortal,
) -> None:
    daemon = start_daemon(proxy=proxy, environment=under(service_manager)).ready()
    await settled(db, await insert(db, "succeed"))
    proxy.refuses = True
    portal.call(proxy.cut)
    daemon.wait_for("database.away")
    assert is_fed(service_manager, 3 * WATCHDOG)


async def test_daemon_of_which_one_part_hangs_is_restarted(
    db: Connection, start_daemon: NewDaemon, service_manager: ServiceManager
) -> None:
    daemon = start_daemon(environment=under(service_manager)).ready()
    assert is_fed(service_manager, 2 * WATCHDOG)
    await insert(db, "hangs_the_recorder")
    assert daemon.wait_for("daemon.hangs")["parts"] == ["recorder"]
    deadline = time.monotonic() + DEADLINE
    while is_fed(service_manager, WATCHDOG):
        assert time.monotonic() < deadline
    assert not is_fed(service_manager, WATCHDOG)


async def test_daemon_whose_event_loop_is_blocked_is_restarted(
    db: Connection, start_daemon: NewDaemon, service_manager: ServiceManager
) -> None:
    start_daemon(environment=under(service_manager)).ready()
    await running(db, await insert(db, "blocks_loop", '{"seconds": 15}'))
    deadline = time.monotonic() + DEADLINE
    while is_fed(service_manager, WATCHDOG):
        assert time.monotonic() < deadline


async def test_systemd_is_told_of_start_reload_and_stop(
    start_daemon: NewDaemon, service_manager: ServiceManager
) -> None:
    daemon = start_daemon(environment=under(service_manager), shutdown_grace="7 s")
    service_manager.wait_for(lambda message: "READY=1" in message)
    service_manager.wait_for(lambda message: "STATUS=running 0/100" in message)
    os.kill(daemon.pid, signal.SIGHUP)
    before = time.monotonic_ns() // 1000
    *_, reloading = service_manager.wait_for(lambda message: message.startswith("RELOADING=1"))
    told_at = reloading.partition("MONOTONIC_USEC=")[2]
    assert before - 1_000_000 < int(told_at) <= time.monotonic_ns() // 1000
    service_manager.wait_for(lambda message: "READY=1" in message)
    daemon.stop()
    *_, stopping = service_manager.wait_for(lambda message: message.startswith("STOPPING=1"))
    assert int(stopping.partition("EXTEND_TIMEOUT_USEC=")[2]) >= 7_000_000


async def test_part_delayed_by_a_blocked_event_loop_is_not_taken_for_hanging(
    db: Connection, start_daemon: NewDaemon, service_manager: ServiceManager
) -> None:
    """A job falls due while the loop is blocked, so the timer and the watchdog wake in the same turn."""
    daemon = start_daemon(environment={**service_manager.environment, "WATCHDOG_USEC": "4000000"}).ready()
    for _ in range(2):
        due = await insert(db, "succeed", schedule_time="now() + interval '2.3 seconds'")
        await db.fetchval("select pg_sleep(1.2)")  # a look since the timer's last turn
        await insert(db, "blocks_loop", '{"seconds": 2}')
        assert (await settled(db, due))["status"] == "Completed"
    assert not daemon.events("daemon.hangs")


async def test_reason_of_several_lines_injects_no_message_to_systemd(
    start_daemon: NewDaemon, service_manager: ServiceManager
) -> None:
    """Each line of a message to the service manager is an assignment of its own."""
    daemon = start_daemon(environment=under(service_manager)).ready()
    module = daemon.config.parent / "loud.py"
    module.write_text("raise ImportError('one\\nSTOPPING=1')")
    text = daemon.config.read_text().replace("handler_path = [", f"handler_path = [{str(module.parent)!r}, ")
    daemon.config.write_text(text + '[actions.Loud]\nhandler = "loud:handler"\n')
    os.kill(daemon.pid, signal.SIGHUP)
    *_, status = service_manager.wait_for(lambda message: "configuration refused" in message)
    assert "ImportError: one STOPPING=1" in status
    assert "\n" not in status


async def test_service_manager_that_is_behind_still_hears_of_readiness(
    start_daemon: NewDaemon, service_manager: ServiceManager
) -> None:
    service_manager.stall()
    daemon = start_daemon(environment=under(service_manager)).ready()
    assert daemon.process.poll() is None
    service_manager.wait_for(lambda message: message == "READY=1")
