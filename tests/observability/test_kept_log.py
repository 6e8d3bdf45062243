"""The end of what a handler logs stands in its row, where its action keeps it."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from asyncjobd.job import ClaimedJob
from asyncjobd.observability.logging.kept_log import KeptLog
from tests.observability import log_processors
from tests.observability.kept_log_handlers import (
    FORGED,
    attacks,
    boasts,
    floods,
    leaves_behind,
    overruns,
    speaks,
    speaks_and_prints,
    speaks_in_thread,
    tries,
    writes,
)
from tests.observability.log_processors import SECRET
from tests.support.actions import action, isolated
from tests.support.daemon import DaemonProcess, write_config
from tests.support.jobs import Connection, executions, insert, row, set_status, settled

pytestmark = pytest.mark.anyio

KEPT = {"keep_log": "16 kB", "max_execution_count": 1}
ACTIONS = {
    "speaks": action(speaks, **KEPT),
    "speaks_in_thread": action(speaks_in_thread, **KEPT),
    "speaks_and_prints": isolated(speaks_and_prints, keep_log="16 kB"),
    "speaks_quietly": action(speaks, log_level="error", **KEPT),
    "speaks_unheard": action(speaks),
    "floods": action(floods, **KEPT | {"keep_log": "1 kB"}),
    "boasts": action(boasts, **KEPT | {"keep_log": "1 kB"}),
    "tries": action(tries, keep_log="16 kB", retry_interval="1 ms"),
    "writes": action(writes, **KEPT),
    "overruns": action(overruns, timeout="10 ms", **KEPT),
    "attacks": action(attacks, **KEPT),
    "leaves_behind": action(leaves_behind, **KEPT),
    "leaves_behind_apart": isolated(leaves_behind, keep_log="16 kB"),
}
SPOKEN = [
    'info    by the context file="a b.csv" rows=3',
    "warning by structlog",
    "error   by logging logger=a.library",
]


@pytest.fixture(scope="module")
def daemon(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    folder = tmp_path_factory.mktemp("daemon")
    logging = {"level": "info", "processors": [f"{log_processors.__name__}:redact"]}
    daemon = DaemonProcess(write_config(folder, module_dsn, ACTIONS, logging=logging)).ready()
    yield daemon
    assert daemon.stop() == 0
    assert daemon.errors.read_text() == ""


@pytest.fixture
async def db(module_dsn: str, daemon: DaemonProcess) -> Any:
    connection = await asyncpg.connect(module_dsn)
    yield connection
    await connection.close()


async def kept(db: Connection, name: str, params: str = "{}") -> list[str]:
    """Run a job, and return the lines of its log."""
    return lines((await settled(db, await insert(db, name, params)))["log"])


def lines(log: str | None) -> list[str]:
    """Return the lines without their times, each of which is checked."""
    assert log is not None
    found = [
        re.fullmatch(r"(?s)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (.*)", line) for line in log.splitlines()
    ]
    return [line if match is None else match[1] for line, match in zip(log.splitlines(), found, strict=True)]


@pytest.mark.parametrize("name", ["speaks", "speaks_in_thread"])
async def test_each_line_of_a_handler_is_kept_however_it_is_logged(db: Connection, name: str) -> None:
    assert await kept(db, name) == SPOKEN


async def test_lines_and_output_of_an_isolated_handler_are_kept(db: Connection) -> None:
    found = await kept(db, "speaks_and_prints")
    assert [line for line in found if "worker.printed" not in line] == SPOKEN
    assert "info    worker.printed action=speaks_and_prints line=printed" in found


async def test_lines_below_the_level_of_the_action_are_not_kept(db: Connection) -> None:
    assert await kept(db, "speaks_quietly") == SPOKEN[2:]


async def test_nothing_is_kept_without_keep_log(db: Connection) -> None:
    assert (await settled(db, await insert(db, "speaks_unheard")))["log"] is None


async def test_only_the_last_whole_lines_are_kept_and_the_first_tells_what_is_not(db: Connection) -> None:
    found = await kept(db, "floods", '{"lines": 10000}')
    left_out = re.fullmatch(r"\.\.\. (\d{3},\d{3}) earlier bytes", found[0])
    assert left_out is not None
    assert found[1:] == [f"info    line number={number}" for number in range(10_001 - len(found), 10_000)]
    assert 900 < len("\n".join(found[1:])) + 25 * len(found[1:]) <= 1024


async def test_of_a_line_that_is_too_long_the_end_is_kept(db: Connection) -> None:
    assert await kept(db, "boasts", '{"characters": 999}') == ["... 1,008 earlier bytes", 511 * "ä"]


async def test_each_try_has_its_own_log_after_the_processors(db: Connection) -> None:
    job = await settled(db, await insert(db, "tries"))
    (first,) = await executions(db, job["id"])
    assert (first["number"], lines(first["log"])) == (1, ["info    tried count=1 password=***"])
    second = lines(job["log"])
    assert second[:3] == [
        "info    tried count=2 password=***",
        "error   went on",
        "    Traceback (most recent call last):",
    ]
    assert second[-1] == "    ValueError: caught, ***"
    assert SECRET not in job["log"]


async def test_log_of_a_run_before_is_kept_when_a_client_runs_a_job_again(db: Connection) -> None:
    job_id = await insert(db, "speaks")
    await settled(db, job_id)
    await set_status(db, job_id, "Queued", ", schedule_time = now() + interval '1 day'")
    assert (await row(db, job_id))["log"] is None
    (before,) = await executions(db, job_id)
    assert lines(before["log"]) == SPOKEN


async def test_reload_begins_to_keep_logs(dsn: str, tmp_path: Path) -> None:
    db = await asyncpg.connect(dsn)
    daemon = DaemonProcess(write_config(tmp_path, dsn, {"Speaks": action(speaks)})).ready()
    assert (await settled(db, await insert(db, "Speaks")))["log"] is None
    write_config(tmp_path, dsn, {"Speaks": action(speaks, keep_log="16 kB")})
    os.kill(daemon.pid, signal.SIGHUP)
    daemon.wait_for("config.reloaded")
    assert await kept(db, "Speaks")
    await db.close()


async def test_log_is_written_in_the_transaction_of_the_handler(db: Connection) -> None:
    assert await kept(db, "writes") == ["info    written"]


async def test_log_of_a_handler_that_overran_its_timeout_is_kept(db: Connection) -> None:
    assert await kept(db, "overruns") == ["info    begun"]


async def test_text_that_postgresql_cannot_store_is_replaced_and_forges_no_line(db: Connection) -> None:
    first, second = await kept(db, "attacks")
    assert first == r"info    nul � and surrogate \udce9"
    assert second.startswith(f'    {FORGED} job_id=7 odd="nul ')
    assert second.endswith(' a key="/w==" quoted="a=\\"b\\""')


@pytest.mark.parametrize("name", ["leaves_behind", "leaves_behind_apart"])
async def test_line_that_comes_after_the_end_is_in_no_log(db: Connection, name: str) -> None:
    first = await insert(db, name, '{"is_first": true}')
    await settled(db, first)
    assert await kept(db, name, '{"is_first": false}') == ["info    of the second"]
    assert lines((await row(db, first))["log"]) == ["info    of the first"]


@pytest.mark.parametrize(
    "statement",
    [
        "update asyncjob.job set log = 'mine' where id = $1",
        "insert into asyncjob.job (job_name, log) select 'speaks', 'mine' where $1 > 0",
    ],
)
async def test_client_may_not_write_it(db: Connection, statement: str) -> None:
    job_id = await insert(db, "speaks")
    await settled(db, job_id)
    with pytest.raises(asyncpg.PostgresError, match="log"):
        await db.execute(statement, job_id)


def test_log_that_is_kept_takes_no_more_than_its_size() -> None:
    job = ClaimedJob(1, "x", "{}", 1, 1, 1, False, 0, None, None, None, None, "", 0, None, 0.0, None, 0.0)
    log = KeptLog(job, 16 * 1024)
    for number in range(20_000):
        log.add({"level": "info", "event": "a line", "number": number})
    assert log._text.__sizeof__() < 2 * 16 * 1024
    assert str(log).endswith("number=19999\n")
