"""`asyncjobd status` fits the terminal, and counts as waiting what is meant to run."""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from asyncjobd.cli.dashboard.page import page
from asyncjobd.cli.dashboard.sections import MOST_ACTIONS
from asyncjobd.cli.dashboard.summary import MOST_TROUBLES
from asyncjobd.monitoring.health import troubles
from asyncjobd.monitoring.overview import Overview
from asyncjobd.monitoring.units import shown_name
from tests.cli.commands import answered, assert_fits, config_of, on_terminal, printed
from tests.support.daemon import DEADLINE, DaemonProcess
from tests.support.jobs import Connection, insert, running, settled

pytestmark = pytest.mark.anyio

ACTION = {
    "name": "Greet", "is_active": True, "daemons": 0, "ready": 0, "queued": 0, "running": 0, "held": 0, "failed": 0,
    "oldest_ready": None, "handler": "m:greet", "waits_because": "no daemon that serves it is alive", "rate": 0.0,
    "waited": None, "ran": None, "paused_until": None, "waiting": 0, "limits": {}, "configured": {}, "saturated": None,
    "last_hour": [None] * 12, "arrivals": None,
}  # fmt: skip
DAEMON = {
    "id": 1, "name": "d", "host": "h", "pid": 1, "version": "1", "running": 0, "concurrency": 1, "silent_for": 0.1,
    "lease_seconds": 15.0, "actions": ["Greet"], "is_draining": False, "hindrances": {},
}  # fmt: skip


def said(**action: Any) -> list[str]:
    overview = Overview([DAEMON], [ACTION | action], [], [])
    return [trouble.text for trouble in troubles(overview)]


async def test_job_that_is_due_later_or_held_on_purpose_is_no_trouble() -> None:
    assert said(queued=1, held=1) == []
    assert said(queued=1, held=1, ready=2) == ["Greet: 2 ready, no daemon that serves it is alive"]
    assert said(held=1, handler=None, waits_because="no daemon has ever served this name") == [
        "Greet: 1 held, no daemon has ever served this name"
    ]


async def test_name_with_a_space_at_its_end_is_in_quotes() -> None:
    assert said(name=" Greet", ready=1) == ["' Greet': 1 ready, no daemon that serves it is alive"]
    assert [shown_name(each) for each in ("a", "", "a b", "a\x1b\n")] == ["a", "''", "'a b'", "'a  '"]


async def test_what_the_other_troubles_follow_from_is_first() -> None:
    late = ACTION | {"ready": 1, "oldest_ready": 99.0}
    for daemons, first in (
        ([], "no daemon is alive"),
        ([DAEMON | {"silent_for": 99.0}], "no daemon is alive"),
        ([DAEMON | {"is_draining": True}], "every daemon drains"),
    ):
        assert next(trouble.text for trouble in troubles(Overview(daemons, [late], [], []))) == first


async def told_of(db: Connection, job_name: str) -> None:
    """Wait until a heartbeat has brought the metrics of this action. Columns without any value are left out."""
    query = (
        "select coalesce(bool_or(metrics #> array['actions', $1] is not null), false) from asyncjob.daemon"
    )
    async with asyncio.timeout(DEADLINE):
        while not await db.fetchval(query, job_name):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("columns", [80, 120])
async def test_status_fits_the_terminal(config: Path, db: Connection, columns: int) -> None:
    DaemonProcess(config).ready()
    for name in ("unheard_of_" * 6, "another", "third"):
        await insert(db, name)
    await running(db, await insert(db, "block"))
    await settled(db, await insert(db, "fail", max_execution_count="1"))
    await told_of(db, "fail")
    shown = on_terminal(config, "status", columns=columns)
    assert_fits(shown, columns)
    assert re.match(r" [3-9] TROUBLES ", shown)  # on a busy machine jobs may be late too
    assert "wait p50/p99" in shown


async def test_of_many_names_those_that_need_somebody_are_shown_and_the_others_counted(
    config: Path, db: Connection
) -> None:
    """All 30,000 took a minute, also on the screen of top."""
    await db.execute(
        "insert into asyncjob.job (job_name, status) select 'a' || n, 'Failed' from generate_series(1, $1::int) n",
        MOST_ACTIONS,
    )
    await db.execute("insert into asyncjob.job (job_name) select 'z' || n from generate_series(1, 120) n")
    told, actions = printed(config, "status").split("\nACTION")
    assert told.startswith(" 121 TROUBLES  no daemon is alive")
    assert f" {121 - MOST_TROUBLES} more: asyncjobd status --json\n" in told
    names = re.findall(r"^([az])\d+ ", actions, re.MULTILINE)
    assert (names.count("z"), names.count("a")) == (120, MOST_ACTIONS - 120)
    assert "\n120 more: asyncjobd status --json\n" in actions


async def test_figures_are_broken_between_each_other() -> None:
    counted = dict.fromkeys(("ready", "failed", "held", "queued"), 9999)
    lines = page(
        Overview([DAEMON], [ACTION | counted | {"oldest_ready": 99.0}], [], []), datetime.now(UTC), 80
    )
    assert all(line.cell_len <= 80 for line in lines)
    assert any("queued 9,999" in line.plain for line in lines)


@pytest.mark.parametrize(("columns", "is_shown"), [(100, False), (120, True), (None, True)])
async def test_last_hour_is_shown_where_there_is_room(columns: int | None, is_shown: bool) -> None:
    action = ACTION | {"last_hour": [None, None, 0, 1, 2, 3, 4, 8, 8, 8, 0, None]}
    lines = page(Overview([DAEMON], [action], [], []), datetime.now(UTC), columns)
    assert any(line.plain.endswith("▁▂▃▄▅███▁") for line in lines) is is_shown
    assert any("last hour" in line.plain for line in lines) is is_shown


async def test_daemons_line_has_the_jobs_that_are_listed_below_it(
    dsn: str, tmp_path: Path, db: Connection
) -> None:
    """It was as old as the last heartbeat, which is up to 5 s."""
    config = config_of(tmp_path, dsn, concurrency=2)
    DaemonProcess(config).ready()
    await running(db, await insert(db, "block"))
    status = answered(config, "status")
    assert (status["daemons"][0]["running"], len(status["running"])) == (1, 1)


async def test_what_daemons_did_is_counted(config: Path, db: Connection) -> None:
    DaemonProcess(config).ready()
    status = answered(config, "status")
    assert [(daemon["name"], daemon["concurrency"]) for daemon in status["daemons"]] == [("test", 100)]
    assert {action["name"]: action["daemons"] for action in status["actions"]}["succeed"] == 1
