"""What systemd is told of a daemon, so that it restarts one that hangs and no other."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal

from tests.conftest import NewDaemon
from tests.faults.proxy import Proxy
from tests.support.daemon import DEADLINE
from tests.support.jobs import Connection, insert, running, settled
from tests.support.manager import Manager

pytestmark = pytest.mark.anyio

WATCHDOG = 0.4  # seconds


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path)
    yield manager
    manager.close()


def under(manager: Manager) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": f"{WATCHDOG * 1e6:.0f}"}


def is_fed(manager: Manager, seconds: float) -> bool:
    """In every WATCHDOG seconds of these."""
    end = time.monotonic() + seconds
    manager.heard()
    while time.monotonic() < end:
        time.sleep(WATCHDOG)
        if "WATCHDOG=1" not in "\n".join(manager.heard()):
            return False
    return True


async def test_daemon_that_works_or_waits_is_not_restarted(
    db: Connection, start_daemon: NewDaemon, manager: Manager
) -> None:
    start_daemon(concurrency=1, environment=under(manager)).ready()
    assert is_fed(manager, 1)
    await running(db, await insert(db, "block"))
    await insert(db, "succeed")  # waits for a slot
    assert is_fed(manager, 1)


async def test_daemon_whose_database_is_away_is_not_restarted(
    db: Connection, start_daemon: NewDaemon, manager: Manager, proxy: Proxy, portal: BlockingPortal
) -> None:
    daemon = start_daemon(proxy=proxy, environment=under(manager)).ready()
    await settled(db, await insert(db, "succeed"))
    proxy.refuses = True
    portal.call(proxy.cut)
    daemon.wait_for("database.away")
    assert is_fed(manager, 3)


async def test_daemon_of_which_one_part_hangs_is_restarted(
    db: Connection, start_daemon: NewDaemon, manager: Manager
) -> None:
    daemon = start_daemon(environment=under(manager)).ready()
    assert is_fed(manager, 1)
    await insert(db, "breaks_the_recorder")
    assert daemon.wait_for("daemon.hangs")["parts"] == ["recorder"]
    deadline = time.monotonic() + DEADLINE
    while is_fed(manager, WATCHDOG):
        assert time.monotonic() < deadline
    assert not is_fed(manager, WATCHDOG)


async def test_daemon_whose_event_loop_is_blocked_is_restarted(
    db: Connection, start_daemon: NewDaemon, manager: Manager
) -> None:
    start_daemon(environment=under(manager)).ready()
    await running(db, await insert(db, "blocks_loop", '{"seconds": 3}'))
    deadline = time.monotonic() + DEADLINE
    while is_fed(manager, WATCHDOG):
        assert time.monotonic() < deadline


async def test_start_reload_and_stop_are_told(start_daemon: NewDaemon, manager: Manager) -> None:
    daemon = start_daemon(environment=under(manager), shutdown_grace=7)
    manager.wait_for("READY=1")
    manager.wait_for("STATUS=running 0/100")
    os.kill(daemon.pid, signal.SIGHUP)
    before = time.monotonic_ns() // 1000
    _, told_at = manager.wait_for("RELOADING=1\nMONOTONIC_USEC=").rsplit("=", 1)
    assert before - 1_000_000 < int(told_at) <= time.monotonic_ns() // 1000
    manager.wait_for("READY=1")
    daemon.stop()
    _, extended = manager.wait_for("STOPPING=1\nEXTEND_TIMEOUT_USEC=").rsplit("=", 1)
    assert int(extended) >= 7_000_000
