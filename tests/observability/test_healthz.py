"""/healthz answers 503 while the event loop is blocked or a part hangs, and not while the database is away."""

import asyncio
import time
from collections.abc import Callable
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.conftest import NewDaemon
from tests.faults.proxy import Proxy
from tests.observability import watchdog_handlers
from tests.support.actions import COMMON, Actions, actions_of
from tests.support.daemon import DEADLINE, DaemonProcess
from tests.support.jobs import Connection, insert, running

pytestmark = pytest.mark.anyio

LISTEN = {"listen": "127.0.0.1:0"}
WELL = (200, "ok\n")


@pytest.fixture(scope="module")
def actions() -> Actions:
    return COMMON | actions_of(watchdog_handlers)


def health(daemon: DaemonProcess) -> tuple[int, str]:
    """Return the status and the text of the answer."""
    address = daemon.wait_for("metrics.served")["address"]
    try:
        with urlopen(f"http://{address}/healthz", timeout=DEADLINE) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


async def answered(daemon: DaemonProcess, is_meant: Callable[[tuple[int, str]], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not is_meant(found := await asyncio.to_thread(health, daemon)):
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.05)


async def test_it_is_503_while_a_handler_blocks_the_event_loop(
    db: Connection, start_daemon: NewDaemon
) -> None:
    daemon = start_daemon(metrics=LISTEN).ready()
    await answered(daemon, WELL.__eq__)
    await running(db, await insert(db, "blocks_loop", '{"seconds": 3}'))
    await answered(
        daemon, lambda found: found[0] == 503 and found[1].startswith("the event loop has taken no turn")
    )
    await answered(daemon, WELL.__eq__)


async def test_it_is_503_where_a_part_hangs(db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon(metrics=LISTEN, environment={"WATCHDOG_USEC": "1200000"}).ready()
    await insert(db, "hangs_the_recorder")
    await answered(daemon, (503, "it hangs: recorder: asyncjobd help daemon_is_silent\n").__eq__)


async def test_it_is_200_while_the_database_is_away(start_daemon: NewDaemon, proxy: Proxy) -> None:
    """A restart would not help."""
    daemon = start_daemon(proxy=proxy, metrics=LISTEN, environment={"WATCHDOG_USEC": "1200000"}).ready()
    proxy.refuses = True
    proxy.reset()
    daemon.wait_for("database.away")
    end = time.monotonic() + 1.5  # the watchdog looks five times
    while time.monotonic() < end:
        assert await asyncio.to_thread(health, daemon) == WELL
        await asyncio.sleep(0.05)
