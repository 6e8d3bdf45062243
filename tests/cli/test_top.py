"""`asyncjobd top`, in a real terminal."""

import os
import re
import shutil
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncjobd.cli.dashboard.keyboard import Decoder
from asyncjobd.cli.dashboard.screen import View, frame
from asyncjobd.cli.dashboard.selection import Selection
from asyncjobd.config.model import LIMITS
from asyncjobd.monitoring.overview import Overview
from asyncjobd.monitoring.units import count, duration, one_line, total
from tests import screenshot
from tests.faults.proxy import Proxy
from tests.support.daemon import DEADLINE, DaemonProcess, asyncjobd
from tests.support.jobs import Connection, insert, row, running, set_status, settled, unowned
from tests.support.terminal import Terminal

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    folder = tmp_path / "terminal"
    folder.mkdir()
    terminal = Terminal(f"asyncjobd-{os.getpid()}", folder)
    yield terminal
    terminal.close()


def start(terminal: Terminal, dsn: str, **size: int) -> None:
    terminal.start("--dsn", dsn, "top", "--interval", "0.1", **size)
    terminal.shows("DAEMON", "ACTION", "RUNNING", "FAILED", "q quit")


@needs_tmux
@pytest.mark.anyio
async def test_what_runs_and_what_failed_is_seen(
    daemon: DaemonProcess, db: Connection, dsn: str, terminal: Terminal, tmp_path: Path
) -> None:
    job_id = await insert(db, "reports", f'{{"file": "{tmp_path / "end"}"}}')
    failed = await insert(db, "raises", max_execution_count="1")
    waits = await insert(db, "asleep")
    start(terminal, dsn)
    terminal.line(f" {job_id} ", "reports", "━━━━━─────  50%", "step 99")
    terminal.line(f" {failed} ", "raises", "KeyError: 'the reason'")
    terminal.line("test", str(daemon.pid), "1/")
    assert "the action is inactive" in terminal.lines()[0]
    (tmp_path / "end").touch()
    terminal.until(lambda screen: "step 99" not in screen)
    await set_status(db, waits, "Failed")
    terminal.shows("ALL WELL")


@needs_tmux
@pytest.mark.anyio
async def test_job_is_held_released_run_and_cancelled_by_keys(
    daemon: DaemonProcess, db: Connection, dsn: str, terminal: Terminal
) -> None:
    job_id = await insert(db, "block")
    start(terminal, dsn)
    terminal.line(str(job_id), "block")
    terminal.press("h")
    terminal.shows("hold: no job is selected")
    terminal.press("Down", "h")
    terminal.shows(f"{job_id} Hold (its handler is being stopped)")
    await unowned(db, job_id, "Hold")
    terminal.line(str(job_id), "block", "Hold")  # it stays listed, and selected
    terminal.press("r")
    await running(db, job_id)
    terminal.press("r")
    terminal.shows(f"job {job_id} is running: expected Hold")
    terminal.press("n")
    terminal.until(lambda screen: f"{job_id} running\n" in screen)  # it runs already, and is not stopped
    terminal.press("c")
    await unowned(db, job_id, "Failed")
    terminal.line(str(job_id), "block", "set to Failed by")
    terminal.press("n")
    await running(db, job_id)
    assert (await row(db, job_id))["execution_total"] == 3


@needs_tmux
@pytest.mark.anyio
async def test_any_job_is_picked_by_its_id(
    daemon: DaemonProcess, db: Connection, dsn: str, terminal: Terminal
) -> None:
    job_id = await insert(db, "succeed", status="'Hold'")
    start(terminal, dsn)
    terminal.press("9", "9", "9", "Enter")
    terminal.shows("there is no job 999")
    terminal.press(*str(job_id), "7", "BSpace")
    terminal.shows(f"job id: {job_id}_")
    terminal.press("Enter")
    terminal.line(str(job_id), "succeed", "Hold")
    terminal.press("r")
    await settled(db, job_id)
    terminal.line(str(job_id), "succeed", "Completed", "done")


@needs_tmux
@pytest.mark.anyio
async def test_key_does_not_hit_the_job_that_took_the_place_of_one_that_ended(
    daemon: DaemonProcess, db: Connection, dsn: str, terminal: Terminal, tmp_path: Path
) -> None:
    first = await insert(db, "reports", f'{{"file": "{tmp_path / "end"}"}}')
    await running(db, first)
    second = await insert(db, "block")
    start(terminal, dsn)
    terminal.line(str(second), "block")
    terminal.press("j")
    terminal.until(lambda _: "reports" in terminal.selected)
    (tmp_path / "end").touch()
    await settled(db, first)
    terminal.until(lambda _: not terminal.selected)
    terminal.press("c")
    terminal.shows("cancel: no job is selected")
    assert (await row(db, second))["status"] == "In Progress"
    terminal.press("j")
    terminal.until(lambda _: "block" in terminal.selected)


@needs_tmux
@pytest.mark.anyio
async def test_tab_goes_to_the_failures_and_back(
    daemon: DaemonProcess, db: Connection, dsn: str, terminal: Terminal
) -> None:
    await insert(db, "block")
    await settled(db, await insert(db, "raises", max_execution_count="1"))
    start(terminal, dsn)
    terminal.shows("the reason", "block")
    for expected in ("block", "raises", "block"):
        terminal.press("Tab")
        terminal.until(lambda _, expected=expected: expected in terminal.selected)  # type: ignore[misc]


@needs_tmux
@pytest.mark.anyio
@pytest.mark.parametrize("way", ["q", "C-c", "SIGTERM"])
async def test_terminal_is_restored_at_the_end(
    daemon: DaemonProcess, dsn: str, terminal: Terminal, way: str
) -> None:
    start(terminal, dsn)
    if way == "SIGTERM":
        os.kill(terminal.pid, signal.SIGTERM)
    else:
        terminal.press(way)
    assert terminal.exit_code() == 0
    assert "".join(terminal.lines()).strip() == ""


@needs_tmux
@pytest.mark.anyio
async def test_shell_has_the_terminal_while_it_is_stopped(
    daemon: DaemonProcess, dsn: str, terminal: Terminal
) -> None:
    start(terminal, dsn)
    terminal.stop()
    terminal.press("Enter")
    terminal.shows("DAEMON", "q quit")
    terminal.press("h")
    terminal.shows("hold: no job is selected")
    terminal.press("q")
    assert terminal.exit_code() == 0


@needs_tmux
def test_it_ends_where_its_terminal_goes_away(dsn: str, terminal: Terminal) -> None:
    start(terminal, dsn)
    process = Path(f"/proc/{terminal.pid}")
    terminal.close()
    deadline = monotonic() + DEADLINE
    while process.exists():
        assert monotonic() < deadline, process
        sleep(0.02)


@needs_tmux
@pytest.mark.anyio
async def test_terminal_is_restored_where_the_schema_is_dropped(
    db: Connection, dsn: str, terminal: Terminal
) -> None:
    start(terminal, dsn)
    terminal.shows("no daemon is alive")
    await db.execute("drop schema asyncjob cascade")
    assert terminal.exit_code() == 1
    assert "".join(terminal.lines()).startswith("Error: relation")


@needs_tmux
@pytest.mark.anyio
async def test_database_goes_away_and_comes_back(
    daemon: DaemonProcess, db: Connection, dsn: str, terminal: Terminal, proxy: Proxy
) -> None:
    job_id = await insert(db, "block")
    await running(db, job_id)
    start(terminal, f"postgresql://postgres@127.0.0.1:{proxy.port}{urlsplit(dsn).path}")
    terminal.line(str(job_id), "block")
    terminal.press("Down")
    proxy.refuses = True
    proxy.reset()
    terminal.shows(" NO DATABASE  since", "block")  # the last picture is kept
    terminal.press("h")
    terminal.until(lambda screen: re.search(rf"hold {job_id}: \S+", screen))
    proxy.heal()
    terminal.until(lambda screen: "NO DATABASE" not in screen)
    terminal.press("h")
    await unowned(db, job_id, "Hold")
    terminal.line(str(job_id), "Hold")
    terminal.press("q")
    assert terminal.exit_code() == 0


@needs_tmux
@pytest.mark.anyio
async def test_database_goes_silent_and_comes_back(
    daemon: DaemonProcess, db: Connection, dsn: str, terminal: Terminal, proxy: Proxy
) -> None:
    start(terminal, f"postgresql://postgres@127.0.0.1:{proxy.port}{urlsplit(dsn).path}")
    proxy.go_silent()
    terminal.shows(" NO DATABASE  since")
    proxy.heal()
    job_id = await insert(db, "block")
    terminal.line(str(job_id), "block")
    terminal.press("q")
    assert terminal.exit_code() == 0


@needs_tmux
@pytest.mark.anyio
async def test_it_ends_at_once_while_the_database_is_silent(
    daemon: DaemonProcess, db: Connection, dsn: str, terminal: Terminal, proxy: Proxy
) -> None:
    await running(db, await insert(db, "block"))
    start(terminal, f"postgresql://postgres@127.0.0.1:{proxy.port}{urlsplit(dsn).path}")
    terminal.shows("block")
    terminal.press("Down", "n")
    terminal.until(lambda screen: " running\n" in screen)  # the client has a connection now
    proxy.go_silent()
    terminal.shows(" NO DATABASE  since")
    terminal.press("h")
    terminal.until(lambda screen: re.search(r"hold \d+ \.\.\.", screen))
    began = monotonic()
    terminal.press("q")
    assert terminal.exit_code() == 0
    assert monotonic() - began < 8  # an order that waits for its answer has 10


@needs_tmux
@pytest.mark.anyio
async def test_resize_is_followed_and_nothing_wraps(
    daemon: DaemonProcess, db: Connection, dsn: str, terminal: Terminal
) -> None:
    await db.execute(
        "insert into asyncjob.job (job_name, status) select 'long ' || repeat('x', 300) || n, 'Failed' from generate_series(1, 90) n"
    )
    start(terminal, dsn)
    terminal.line("FAILED", "+ more")  # only the latest were looked for
    for width, height in ((132, 43), (60, 15), (80, 24)):
        terminal.resize(width, height)
        terminal.until(lambda _, height=height: _is_whole(terminal.lines(), height))  # type: ignore[misc]


def _is_whole(lines: list[str], height: int) -> bool:
    return len(lines) == height and "ALL WELL" in lines[0] and "↑↓ select" in lines[-1]


def test_once_prints_plain_text_into_a_pipe(daemon: DaemonProcess, dsn: str) -> None:
    printed = asyncjobd("--dsn", dsn, "top", "--once")
    assert printed.returncode == 0, printed.stderr
    assert printed.stdout.startswith(" ALL WELL ")
    assert "\x1b" not in printed.stdout
    for title in ("DAEMON", "ACTION", "RUNNING", "FAILED"):
        assert f"\n{title}" in printed.stdout
    assert f" {daemon.pid} " in printed.stdout


def test_without_a_terminal_it_is_wrong_usage(dsn: str) -> None:
    refused = asyncjobd("--dsn", dsn, "top")
    assert refused.returncode == 2
    assert "use --once" in refused.stderr


def test_keys_come_in_pieces() -> None:
    def keys(*pieces: bytes) -> list[str]:
        decoder = Decoder()
        return [key for piece in pieces for key in decoder.feed(piece) if key != "escape"]

    assert keys(b"\x1b[A\x1bOBj") == ["up", "down", "j"]
    assert keys(b"\x1b", b"[", b"B", b"\x1bO", b"A") == ["down", "up"]
    assert keys(b"\x1b[1;5", b"A\x1b[200~\x1b[3~q") == ["up", "q"]
    assert keys(b"\x1bq\r\t\x7f") == ["q", "enter", "tab", "backspace"]


def test_picked_job_stays_selected_until_it_is_listed() -> None:
    selection = Selection()
    selection.pick(7)
    selection.follow(([1, 2], [3]))  # a look that began before
    assert selection.job_id == 7
    selection.drop(7)
    selection.follow(([1, 2], [3]))
    assert selection.job_id is None


def test_figures_are_readable() -> None:
    shown = [
        duration(seconds) for seconds in (0.00034, 0.0123, 0.34, 1.234, 99.6, 100, 5999, 6000, 200_000, -1.0)
    ]
    assert shown == ["0.34ms", "12ms", "340ms", "1.2s", "100s", "1.7min", "100min", "1.7h", "2.3d", "0ms"]
    assert [count(9_999), count(10_000), total([12_000, 5]), total([7, 5])] == [
        "9999",
        "10000+",
        "12,005+",
        "12",
    ]
    assert one_line("a\r\n\x1b[2Jb\t\u202ec\x9b") == "a [2Jb c"


names = st.text(min_size=1, max_size=60) | st.just("東京" * 20)
texts = names | st.sampled_from(["", None])
figures = st.none() | st.floats(0, 1e7)
numbers = st.integers(0, 10_000)
daemons = st.fixed_dictionaries(
    {
        "id": numbers, "name": names, "host": texts, "pid": numbers, "version": texts, "running": numbers,
        "concurrency": st.integers(1, 1000), "silent_for": st.floats(0, 1e7), "hindrances": st.dictionaries(st.just("blocked"), texts), "lease_seconds": st.just(15.0),
        "is_draining": st.booleans(),
    }
)  # fmt: skip
limits = st.one_of(
    st.fixed_dictionaries(
        {
            "limits": st.dictionaries(st.sampled_from(LIMITS), numbers), "saturated": st.none() | st.just(False),
            "running_in_all": st.none() | numbers, "next_start_in": st.none(),
        }
    ),
    st.fixed_dictionaries(
        {
            "limits": st.just({"max_running": 5}), "saturated": st.just(True),
            "running_in_all": st.integers(5, 10_000), "next_start_in": st.none(),
        }
    ),
    st.fixed_dictionaries(
        {
            "limits": st.just({"rate": "100 per minute"}), "saturated": st.just(True), "running_in_all": numbers,
            "next_start_in": st.floats(0, 1e7),
        }
    ),
)  # fmt: skip
actions = st.fixed_dictionaries(
    {
        "name": names, "is_active": st.none() | st.booleans(), "ready": numbers, "queued": numbers,
        "running": numbers, "held": numbers, "failed": numbers, "oldest_ready": figures, "waits_because": st.none() | st.just("no daemon has ever served this name"), "daemons": numbers,
        "waiting": numbers, "handler": st.none() | st.just("m:a"), "rate": st.floats(0, 1e6), "waited": st.none() | st.lists(figures, min_size=2, max_size=2),
        "ran": st.none() | st.lists(figures, min_size=2, max_size=2), "paused_until": st.none() | st.just("infinity"),
        "configured": st.just({"max_running": 4}), "last_hour": st.lists(st.none() | numbers, min_size=12, max_size=12),
        "arrivals": st.none() | st.floats(0, 1e6),
    }
)  # fmt: skip
limited_actions = st.tuples(actions, limits).map(lambda parts: {**parts[0], **parts[1]})
jobs = st.fixed_dictionaries(
    {
        "id": numbers, "job_name": texts, "daemon_id": numbers, "execution_count": numbers, "running_for": figures,
        "progress": st.none() | st.floats(0, 1), "progress_message": texts, "is_stopping": st.booleans(),
        "finished_at": st.none() | st.datetimes(timezones=st.just(UTC)), "message": texts, "hold_reason": texts,
        "stop_requested": st.booleans(), "status": st.sampled_from(["Hold", "In Progress", "Completed", "Failed", "Queued"]),
    }
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    st.builds(Overview, *(st.lists(rows, max_size=12) for rows in (daemons, limited_actions, jobs, jobs))),
    st.lists(jobs, max_size=3), numbers, st.booleans(), st.integers(1, 200), st.integers(1, 60),
)  # fmt: skip
def test_frame_fits_into_any_terminal(
    overview: Overview, picked: list[Any], selected: int, is_away: bool, width: int, height: int
) -> None:
    now = datetime.now(UTC)
    view = View(overview, now, now, picked, selected, now if is_away else None, "an answer")
    lines = frame(view, width, height)
    assert len(lines) == height
    assert all(line.cell_len <= width for line in lines)
    assert all(line.plain.isprintable() for line in lines)


def test_picture_of_the_readme_refers_to_nothing_elsewhere() -> None:
    picture = screenshot.PICTURE.read_text()
    assert set(re.findall(r"\w+://[^\s\"')]+", picture)) == {"http://www.w3.org/2000/svg"}
    assert "ACTION" in picture
