"""A running daemon takes up a changed configuration, and ignores a bad one."""

import asyncio
import os
import signal
import time
from pathlib import Path

import asyncpg
import pytest

from tests.conftest import NewDaemon
from tests.faults.proxy import Proxy
from tests.support.daemon import DEADLINE, DaemonProcess, asyncjobd, needs_root
from tests.support.jobs import Connection, insert, row, running, settled, unowned

pytestmark = pytest.mark.anyio


def action(daemon: DaemonProcess, *arguments: str) -> None:
    """Change an action by the command line, which writes a drop-in."""
    ran = asyncjobd("--config", str(daemon.config), "action", *arguments)
    assert ran.returncode == 0, ran.stderr


def drop_in(daemon: DaemonProcess, name: str, text: str) -> Path:
    path = daemon.config.parent / "actions.d" / f"{name}.toml"
    path.parent.mkdir(exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    return fresh.rename(path)  # at once: the daemon may look at any time


async def settled_until_silent(db: Connection, daemon: DaemonProcess) -> None:
    """Wait until completed jobs, which are logged at level info, are logged no more."""
    deadline = time.monotonic() + DEADLINE
    while True:
        assert time.monotonic() < deadline
        quiet = await settled(db, await insert(db, "succeed"))
        loud = await settled(db, await insert(db, "raises", max_execution_count="1"))
        daemon.wait_for("job.failed", job_id=loud["id"])
        if not daemon.events("job.completed", job_id=quiet["id"]):
            return


async def test_held_jobs_run_once_an_action_of_their_name_is_added(
    db: Connection, start_daemon: NewDaemon
) -> None:
    daemon = start_daemon(unknown_name_grace="0 s").ready()
    blocked = await insert(db, "block")
    held = await insert(db, "Late")
    daemon.wait_for("jobs.held", job_name="Late")
    action(daemon, "add", "Late", "tests.support.handlers:succeed")
    assert (await settled(db, held))["status"] == "Completed"
    assert daemon.wait_for("config.reloaded")["added"] == ["Late"]
    assert "Late" in await db.fetchval("select actions from asyncjob.daemon")
    assert (await running(db, blocked))["execution_total"] == 1
    assert daemon.process.poll() is None


async def test_action_that_is_disabled_waits_and_what_runs_of_it_goes_on(
    db: Connection, daemon: DaemonProcess
) -> None:
    blocked = await insert(db, "block")
    await running(db, blocked)
    action(daemon, "disable", "block")
    assert daemon.wait_for("config.reloaded")["changed"] == ["block"]
    waiting = await insert(db, "block")
    assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"
    assert (await row(db, waiting))["started_at"] is None
    assert (await row(db, blocked))["daemon_id"] is not None
    action(daemon, "enable", "block")
    assert (await running(db, waiting))["execution_count"] == 1


@needs_root
async def test_drop_in_rewritten_by_the_cli_keeps_its_mode_and_group(
    db: Connection, daemon: DaemonProcess
) -> None:
    path = drop_in(daemon, "Extra", 'handler = "tests.support.handlers:succeed"')
    path.chmod(0o640)
    os.chown(path, 0, 12345)
    action(daemon, "disable", "Extra")
    assert (path.stat().st_mode & 0o777, path.stat().st_gid) == (0o640, 12345)


async def test_action_that_is_removed_waits(db: Connection, daemon: DaemonProcess) -> None:
    path = drop_in(daemon, "Extra", 'handler = "tests.support.handlers:succeed"')
    daemon.wait_for("config.reloaded", added=["Extra"])
    await settled(db, await insert(db, "Extra"))
    path.unlink()
    daemon.wait_for("config.reloaded", removed=["Extra"])
    waiting = await insert(db, "Extra")
    await settled(db, await insert(db, "succeed"))
    assert (await row(db, waiting))["started_at"] is None


async def test_changed_handler_and_defaults_count_from_the_next_start(
    db: Connection, daemon: DaemonProcess
) -> None:
    drop_in(daemon, "Extra", 'handler = "tests.support.handlers:succeed"')
    daemon.wait_for("config.reloaded", added=["Extra"])
    assert (await settled(db, await insert(db, "Extra")))["status"] == "Completed"
    drop_in(daemon, "Extra", 'handler = "tests.support.handlers:raises"\nmax_execution_count = 1')
    daemon.wait_for("config.reloaded", changed=["Extra"])
    job = await settled(db, await insert(db, "Extra"))
    assert (job["status"], job["max_execution_count"]) == ("Failed", 1)


async def test_bad_file_changes_nothing_and_is_reported(db: Connection, daemon: DaemonProcess) -> None:
    before = daemon.config.read_text()
    daemon.config.write_text(before.replace("lease", "laese"))
    os.kill(daemon.pid, signal.SIGHUP)
    assert "unknown key 'laese'; did you mean 'lease'?" in daemon.wait_for("config.refused")["reason"]
    assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"
    daemon.config.write_text(before)
    os.kill(daemon.pid, signal.SIGHUP)
    daemon.wait_for("config.reloaded", changed=[])


async def test_changed_log_level_is_taken_up(db: Connection, daemon: DaemonProcess) -> None:
    daemon.config.write_text(daemon.config.read_text().replace('level = "debug"', 'level = "error"'))
    os.kill(daemon.pid, signal.SIGHUP)
    await settled_until_silent(db, daemon)


async def test_handler_that_does_not_import_changes_nothing(db: Connection, daemon: DaemonProcess) -> None:
    drop_in(daemon, "Broken", 'handler = "nowhere:handler"')
    assert "cannot import 'nowhere'" in daemon.wait_for("config.refused")["reason"]
    assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"


@pytest.mark.parametrize(
    ("section", "change"),
    [("daemon", ('lease = "3 s"', 'lease = "4 s"')), ("logging", ('format = "json"', 'format = "console"'))],
)
async def test_settings_that_need_a_restart_are_named(
    daemon: DaemonProcess, section: str, change: tuple[str, str]
) -> None:
    daemon.config.write_text(daemon.config.read_text().replace(*change))
    os.kill(daemon.pid, signal.SIGHUP)
    assert daemon.wait_for("config.needs_restart")["section"] == section


async def test_sighup_during_the_start_does_not_end_the_daemon(
    start_daemon: NewDaemon, db: Connection
) -> None:
    daemon = start_daemon(to="postgresql://postgres@127.0.0.1:1/none")
    daemon.wait_for("database.unreachable")
    os.kill(daemon.pid, signal.SIGHUP)
    assert daemon.stop() == 0


async def test_stop_still_hands_back_after_a_reload(db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon(shutdown_grace="0 s").ready()
    drop_in(daemon, "Extra", 'handler = "tests.support.handlers:block"')
    daemon.wait_for("config.reloaded", added=["Extra"])
    blocked = await insert(db, "Extra")
    await running(db, blocked)
    daemon.stop()
    assert (await unowned(db, blocked, "In Progress"))["execution_count"] == 0


async def test_action_that_is_removed_while_its_jobs_are_claimed_does_not_end_the_daemon(
    db: Connection, dsn: str, start_daemon: NewDaemon
) -> None:
    """Each time, a claim of its jobs may be on its way."""
    daemon = start_daemon(concurrency=50).ready()
    client = await asyncpg.connect(dsn)
    is_over = asyncio.Event()
    inserting = asyncio.create_task(insert_sleeps(client, is_over))
    for number in range(1, 16):
        path = drop_in(daemon, "Extra", 'handler = "tests.support.handlers:sleeps"')
        await reloaded(daemon, number, "added")
        await a_claim_of(db)
        path.unlink()
        await reloaded(daemon, number, "removed")
    is_over.set()
    await inserting
    await client.close()
    assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"
    assert daemon.stop() == 0


async def insert_sleeps(client: Connection, is_over: asyncio.Event) -> None:
    while not is_over.is_set():
        await client.execute(
            "insert into asyncjob.job (job_name, params) values ('Extra', '{\"seconds\": 0.02}')"
        )


async def a_claim_of(db: Connection) -> None:
    async with asyncio.timeout(DEADLINE):
        while not await db.fetchval("select exists (select from asyncjob.job where daemon_id is not null)"):
            await asyncio.sleep(0.01)


async def reloaded(daemon: DaemonProcess, times: int, what: str) -> None:
    """Reload, and wait until it has been logged `times` times with the action."""
    os.kill(daemon.pid, signal.SIGHUP)
    deadline = time.monotonic() + DEADLINE
    while len([event for event in daemon.events("config.reloaded") if event[what] == ["Extra"]]) < times:
        assert daemon.process.poll() is None and time.monotonic() < deadline, daemon.errors.read_text()
        await asyncio.sleep(0.01)


async def test_file_without_actions_is_warned_of(db: Connection, daemon: DaemonProcess) -> None:
    """It may have been emptied by a full disk."""
    daemon.config.write_text(daemon.config.read_text().partition("[actions")[0])
    os.kill(daemon.pid, signal.SIGHUP)
    daemon.wait_for("config.has_no_actions")


async def test_value_of_a_file_that_the_database_refuses_changes_nothing(
    db: Connection, daemon: DaemonProcess
) -> None:
    await db.execute(
        "create function no() returns trigger language plpgsql as $$ begin raise exception 'the site says no'; end $$;"
        " create trigger no before insert on asyncjob.action for each row when (new.name = 'No') execute function no()"
    )
    refused = '\n[actions.No]\nhandler = "tests.support.handlers:succeed"\n'
    daemon.config.write_text(daemon.config.read_text() + refused)
    os.kill(daemon.pid, signal.SIGHUP)
    assert "PostgreSQL does not take" in daemon.wait_for("config.refused")["reason"]
    assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"


async def test_module_that_never_ends_its_import_does_not_keep_the_daemon_from_its_end(
    db: Connection, daemon: DaemonProcess
) -> None:
    endless = daemon.config.parent / "endless.py"
    endless.write_text(
        f"import pathlib, time\npathlib.Path({str(endless)!r} + '.began').touch()\ntime.sleep(1000)\n"
    )
    daemon.config.write_text(
        daemon.config.read_text().replace("handler_path = [", f"handler_path = [{str(endless.parent)!r}, ")
    )
    drop_in(daemon, "Endless", 'handler = "endless:handler"')
    until_there(endless.with_name("endless.py.began"))
    assert (await settled(db, await insert(db, "succeed")))["status"] == "Completed"
    assert daemon.stop() == 0


async def test_change_while_waiting_for_the_database_is_taken_up(
    start_daemon: NewDaemon, db: Connection, proxy: Proxy
) -> None:
    proxy.refuses = True
    daemon = start_daemon(proxy=proxy)
    daemon.wait_for("database.unreachable")
    drop_in(daemon, "Extra", 'handler = "tests.support.handlers:succeed"')
    proxy.refuses = False
    daemon.wait_for("config.reloaded", added=["Extra"])
    assert (await settled(db, await insert(db, "Extra")))["status"] == "Completed"


def until_there(path: Path) -> None:
    deadline = time.monotonic() + DEADLINE
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
