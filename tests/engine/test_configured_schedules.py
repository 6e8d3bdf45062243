"""Schedules of the configuration: written at a daemon's start and reload, and paused once they are not there any more."""

import signal
import tomllib
from typing import Any

import pytest
import tomli_w

from tests.conftest import NewDaemon
from tests.support.daemon import DaemonProcess
from tests.support.jobs import Connection, insert, settled
from tests.support.schedules import NEVER, add, found_next, read, set_next, until

pytestmark = pytest.mark.anyio

NIGHTLY = {"cron": NEVER, "time_zone": "Europe/Berlin", "job_name": "succeed", "params": {"a": 1}}


def reload_with(daemon: DaemonProcess, schedules: dict[str, Any]) -> None:
    """Write other schedules into the configuration of a daemon, and tell it to reload."""
    document = tomllib.loads(daemon.config.read_text()) | {"schedules": schedules}
    daemon.config.write_text(tomli_w.dumps(document))
    daemon.process.send_signal(signal.SIGHUP)


async def test_schedules_of_the_file_are_written_fired_and_paused_with_it(
    db: Connection, start_daemon: NewDaemon
) -> None:
    daemon = start_daemon(
        schedules={"nightly": NIGHTLY, "often": {"every": "1 s", "job_name": "succeed"}}
    ).ready()
    row = await found_next(db, "nightly")
    assert (row["source"], row["configured_by"], row["params"]) == ("file", "test", '{"a": 1}')
    assert (row["next_at"].hour, row["time_zone"]) == (23, "Europe/Berlin")
    await until(db, "often", lambda found: found["last_job_id"] is not None)

    reload_with(daemon, {"nightly": NIGHTLY | {"cron": "0 3 1 1 *", "overlap": "queue"}})
    changed = await until(db, "nightly", lambda found: found["overlap"] == "queue")
    assert (await found_next(db, "nightly"))["next_at"] != row["next_at"]
    assert (changed["cron"], changed["is_paused"]) == ("0 3 1 1 *", False)
    assert (await until(db, "often", lambda found: found["is_paused"]))["configured_by"] is None

    await db.execute("update asyncjob.schedule set paused_until = 'infinity' where name = 'nightly'")
    reload_with(daemon, {"nightly": NIGHTLY, "often": {"every": "1 s", "job_name": "succeed"}})
    await until(db, "often", lambda found: not found["is_paused"])
    kept = await until(db, "nightly", lambda found: found["cron"] == NEVER)
    assert kept["is_paused"]
    assert (await found_next(db, "nightly"))["is_paused"]
    daemon.stop()
    assert daemon.process.returncode == 0, daemon.errors.read_text()


async def test_restart_changes_no_schedule(db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon(schedules={"nightly": NIGHTLY}).ready()
    await found_next(db, "nightly")
    await set_next(db, "nightly", "'2100-01-01 UTC'")
    version = await db.fetchval("select xmin from asyncjob.schedule")
    daemon.stop()
    again = DaemonProcess(daemon.config).ready()
    assert await db.fetchval("select xmin from asyncjob.schedule") == version
    assert again.events("schedules.published") == []


async def test_daemons_with_other_files_leave_each_others_schedules_alone(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(name="blue", schedules={"nightly": NIGHTLY}).ready()
    await add(db, "of_sql")
    green = start_daemon(name="green", schedules={"weekly": NIGHTLY}).ready()
    reload_with(green, {})
    await until(db, "weekly", lambda found: found["is_paused"])
    assert not (await read(db, "nightly"))["is_paused"]
    assert not (await read(db, "of_sql"))["is_paused"]


async def test_schedule_that_sql_has_made_becomes_the_files(db: Connection, start_daemon: NewDaemon) -> None:
    await add(db, "nightly", cron="@daily", paused_until="infinity")
    start_daemon(schedules={"nightly": NIGHTLY}).ready()
    row = await read(db, "nightly")
    assert (row["source"], row["cron"], row["is_paused"]) == ("file", NEVER, True)


async def test_file_with_a_wrong_schedule_is_refused_and_the_old_one_stays(
    db: Connection, start_daemon: NewDaemon
) -> None:
    daemon = start_daemon(schedules={"nightly": NIGHTLY}).ready()
    reload_with(daemon, {"nightly": NIGHTLY | {"cron": "0 0 31 2 *"}})
    assert "[schedules.nightly] cron: " in daemon.wait_for("config.refused")["reason"]
    assert (await read(db, "nightly"))["cron"] == NEVER


async def test_schedule_that_postgresql_refuses_leaves_all_as_it_is(
    db: Connection, start_daemon: NewDaemon
) -> None:
    await db.execute(
        "create function no() returns trigger language plpgsql as $$ begin raise exception 'the site says no'; end $$;"
        " create trigger no before insert on asyncjob.schedule for each row when (new.name = 'no') execute function no()"
    )
    daemon = start_daemon(schedules={"nightly": NIGHTLY}).ready()
    reload_with(daemon, {"no": NIGHTLY})
    reason = daemon.wait_for("config.refused")["reason"]
    assert "[schedules]: PostgreSQL does not take a value of a schedule: the site says no" in reason
    assert not (await read(db, "nightly"))["is_paused"]


async def test_schedule_that_is_paused_before_its_first_look_ends_no_daemon(
    db: Connection, start_daemon: NewDaemon
) -> None:
    daemon = start_daemon().ready()
    await add(db, "paused", every="1 day", paused_until="infinity")
    await found_next(db, "paused")
    await add(db, "other", every="1 s")
    await until(db, "other", lambda found: found["last_job_id"] is not None)
    assert daemon.process.poll() is None


async def test_schedules_that_cannot_be_read_are_read_again_after_a_while(
    db: Connection, start_daemon: NewDaemon
) -> None:
    daemons = [start_daemon(name=name, lease="3 s").ready() for name in ("one", "two")]
    await add(db, "often", every="1 s", overlap="allow")
    await add(db, "unreadable")
    await found_next(db, "unreadable")
    await until(db, "often", lambda found: found["last_job_id"] is not None)
    await db.execute("set session_replication_role = replica")
    await db.execute("update asyncjob.schedule set next_at = '20000-01-01' where name = 'unreadable'")
    await db.execute("reset session_replication_role")
    for daemon in daemons:
        daemon.wait_for("schedules.unreadable")
    await settled(db, await insert(db, "sleeps", '{"seconds": 2}'))
    for daemon in daemons:
        assert len(daemon.events("schedules.unreadable")) < 10  # not in a loop
