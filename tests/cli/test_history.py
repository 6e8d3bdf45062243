"""`asyncjobd history` and `status --since` show what ended when, and fit the terminal."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from asyncjobd.cli.sparkline import sparkline
from asyncjobd.observability.metrics.histogram import Histogram
from tests.cli.commands import answered, assert_fits, on_terminal, printed, run
from tests.support.daemon import DaemonProcess
from tests.support.history import ADD_HOURS
from tests.support.jobs import Connection, insert, settled

pytestmark = pytest.mark.anyio

INSERT = (
    "insert into asyncjob.rollup (minutes, began_at, job_name, daemon_id, completed, failed, waited, ran, ready, queued,"
    " held, oldest_ready) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, $10)"
)


def times(seconds: float, number: int) -> int:
    histogram = Histogram()
    histogram.buckets[int(seconds * 1e6).bit_length()] = number
    return histogram.number


async def ended(db: Connection, ago: timedelta, name: str, completed: int, failed: int = 0) -> None:
    """Insert a minute of one daemon."""
    began_at = datetime.now(UTC) - ago
    number = completed + failed
    await db.execute(
        INSERT, 1, began_at, name, 1, completed, failed, times(0.001, number), times(0.3, number), None, None
    )


async def stood(db: Connection, ago: timedelta, name: str, ready: int, oldest: float) -> None:
    await db.execute(INSERT, 1, datetime.now(UTC) - ago, name, 0, 0, 0, 0, 0, ready, oldest)


@pytest.fixture
async def past(db: Connection) -> None:
    for minutes in range(50):
        if not 10 <= minutes < 20:
            await ended(db, timedelta(minutes=minutes), "EmailSender", 100 + minutes, int(minutes == 5))
    await stood(db, timedelta(minutes=30), "EmailSender", 340, 75.0)
    await ended(db, timedelta(hours=5), "Count", 7)
    await db.execute(ADD_HOURS)


@pytest.mark.parametrize("columns", [80, 100, 160])
@pytest.mark.usefixtures("past")
async def test_history_fits_the_terminal(config: Path, columns: int) -> None:
    for arguments in (["EmailSender"], [], ["--since", "3d"], ["EmailSender", "--since", "90m"]):
        shown = on_terminal(config, "history", *arguments, columns=columns)
        assert_fits(shown, columns)
        assert "wait p50/p99" in shown


@pytest.mark.usefixtures("past")
async def test_history_of_an_action_is_a_table_of_the_last_hour(config: Path) -> None:
    shown = printed(config, "history", "EmailSender")
    head, _, title, *lines = shown.splitlines()
    assert "5,081 ended since" in head  # 100 + 0 ... 149, without 110 ... 119, and a failure
    assert title.split()[:4] == ["FROM", "ended", "completed", "failed"]
    assert 30 <= len(lines) <= 31
    assert sum("/s" in line for line in lines) < 27  # a gap stays one
    assert sum("340" in line and "75s" in line for line in lines) == 1


@pytest.mark.usefixtures("past")
async def test_history_of_all_has_a_line_for_each_action(config: Path) -> None:
    lines = printed(config, "history", "--since", "6h").splitlines()
    assert lines[0].startswith("all actions  5,088 ended since")
    actions = lines[next(n for n, line in enumerate(lines) if line.startswith("ACTION")) :]
    assert [line.split()[0] for line in actions] == ["ACTION", "Count", "EmailSender"]
    assert "█" in actions[2]


@pytest.mark.usefixtures("past")
async def test_history_is_json_with_gaps_as_null(config: Path) -> None:
    told = answered(config, "history", "EmailSender", "--since", "2h")
    assert (told["ended"], told["completed"], told["failed"], told["step_seconds"]) == (5081, 5080, 1, 300)
    assert told["ran"][0] == pytest.approx(0.3, rel=1)
    assert sum(step["completed"] or 0 for step in told["steps"]) == 5080
    assert {step["ended"] for step in told["steps"]} > {None}
    assert sum(filter(None, told["actions"]["EmailSender"]["ended_by_step"])) == 5081


async def test_hours_are_shown_where_minutes_are_gone(config: Path, db: Connection) -> None:
    at = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=20)
    await db.execute(INSERT, 60, at, "Count", 0, 3600, 0, 3600, 3600, 5, 1.0)
    told = answered(config, "history", "Count", "--since", "30d")
    assert (told["completed"], told["step_seconds"]) == (3600, 86400)
    (step,) = (step for step in told["steps"] if step["ended"])
    assert (step["rate"], step["ready"]) == (3600 / 86400, 5)


async def test_unknown_name_is_said(config: Path, db: Connection) -> None:
    DaemonProcess(config).ready()
    assert "nothing is known since" in printed(config, "history")
    assert "nothing is known since" in printed(config, "history", "succeed")
    refused = run(config, "history", "suceed")
    assert (refused.returncode, refused.stderr) == (
        1, "Error: no daemon has ever served an action 'suceed'; did you mean 'succeed'?\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [("soon", "write 02:00, 90m, 2h, 3d or 2026-11-28T02:00"), ("2100-01-01", "that is in the future")],
)
async def test_time_that_is_none_in_the_past_is_refused(config: Path, given: str, said: str) -> None:
    for command in ("history", "status"):
        refused = run(config, command, "--since", given)
        assert refused.returncode == 2
        assert said in refused.stderr


async def test_role_without_rights_is_told_what_to_grant(config: Path, dsn: str, db: Connection) -> None:
    name = f"{urlsplit(dsn).path[1:]}_auditor"
    await db.execute(f"create role {name} login; grant asyncjob_reader to {name}")
    as_auditor = dsn.replace("postgres@", f"{name}@")
    assert "nothing is known" in printed(config, "--dsn", as_auditor, "history")
    await db.execute("revoke select on asyncjob.rollup from asyncjob_reader")
    try:
        refused = run(config, "--dsn", as_auditor, "history")
    finally:
        await db.execute("grant select on asyncjob.rollup to asyncjob_reader")
    assert refused.returncode == 1
    assert "permission denied for table rollup" in refused.stderr


@pytest.mark.usefixtures("past")
async def test_status_since_a_time_has_the_figures_since_then(config: Path, db: Connection) -> None:
    daemon = DaemonProcess(config).ready()
    await settled(db, await insert(db, "succeed"))
    assert daemon.stop() == 0
    DaemonProcess(config).ready()
    told: dict[str, Any] = answered(config, "status", "--since", "6h")
    (succeed,) = (row for row in told["actions"] if row["name"] == "succeed")
    assert (succeed["completed"], sum(filter(None, succeed["last_hour"]))) == (1, 1)
    assert succeed["ran"][1] > 0
    assert datetime.fromisoformat(told["since"]) <= datetime.now(UTC) - timedelta(hours=6)
    assert re.search(r"ended \d\S+/s since", on_terminal(config, "status", "--since", "6h", columns=120))
    assert json.loads(run(config, "status", "--json").stdout)["since"] is None


async def test_sparkline_is_full_at_the_largest_and_has_gaps() -> None:
    assert sparkline([0, 0.01, 4, 8]).plain == "▁▂▅█"
    assert sparkline([None, 3, None, 0]).plain == " █ ▁"
    assert sparkline([0, 0]).plain == "▁▁"
    assert sparkline([]).plain == ""
