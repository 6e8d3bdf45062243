"""The examples, copied and run as they are, but for the folder: tests/examples is made for /srv/jobs."""

import gzip
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.support.daemon import DaemonProcess
from tests.support.jobs import Connection, insert, set_status, settled, until

pytestmark = pytest.mark.anyio

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    """The folder that would be /srv/jobs."""
    folder = tmp_path / "jobs"
    shutil.copytree(EXAMPLES, folder)
    for action in folder.glob("actions.d/*.toml"):
        action.write_text(action.read_text().replace("/srv/jobs", str(folder)))
    return folder


@pytest.fixture
async def other(dsn: str) -> AsyncIterator[Connection]:
    """A second client."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@pytest.fixture
def served(jobs: Path, dsn: str) -> DaemonProcess:
    return DaemonProcess(jobs / "config.toml", ASYNCJOBD_DSN=dsn).ready()


async def test_bash_compresses_exports_and_reports(db: Connection, served: DaemonProcess, jobs: Path) -> None:
    exports = jobs / "exports"
    exports.mkdir()
    for number in range(4):
        (exports / f"{number} of a day.csv").write_text("a;b\n" * 1000)
    job = await settled(db, await insert(db, "Compress", '{"kind": "csv"}'))
    assert (job["status"], json.loads(job["result"])) == ("Completed", {"files": 4}), job["message"]
    assert job["progress_message"].endswith(" of 4 files")
    assert gzip.decompress((exports / "3 of a day.csv.gz").read_bytes()) == b"a;b\n" * 1000
    refused = await settled(db, await insert(db, "Compress", '{"kind": "../csv"}'))
    assert refused["last_execution_status"] == "fatal_error"
    assert refused["message"] == "exited with 65: no kind of export: ../csv"


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node on this machine")
async def test_node_counts_words_and_reports(db: Connection, served: DaemonProcess) -> None:
    job = await settled(db, await insert(db, "Words", '{"texts": ["one two", " three\\n", ""]}'))
    assert (job["status"], json.loads(job["result"]), job["message"]) == ("Completed", [2, 1, 0], "3 words")
    assert job["progress_message"].endswith(" of 3 texts")


async def test_report_shows_its_progress_and_is_written_as_a_whole(
    db: Connection, other: Connection, served: DaemonProcess
) -> None:
    await db.execute("create table sale (customer text, sold_on date, amount numeric)")
    await db.execute(
        "create table monthly_report (month date, customer text, total numeric, primary key (month, customer))"
    )
    await db.execute(
        "insert into sale select 'c' || n % 50, date '2026-11-01' + n % 30, n from generate_series(1, 500) n"
    )
    job_id = await insert(db, "MonthlyReport", '{"month": "2026-11-01"}', status="'Hold'")
    async with db.transaction():
        await db.execute("insert into monthly_report values ('2026-11-01', 'c30', 0)")
        await set_status(other, job_id, "In Progress")
        done = sorted(f"c{n}" for n in range(50)).index("c30")  # then it waits for this transaction
        await until(other, job_id, lambda r: r["progress_message"] == f"{done} of 50 customers")
    job = await settled(db, job_id)
    assert (job["status"], job["message"], job["result"]) == (
        "Completed",
        "50 customers",
        '{"customers": 50}',
    )
    assert await db.fetchval("select sum(total) from monthly_report") == 500 * 501 / 2


async def test_poller_makes_a_job_of_each_file(db: Connection, served: DaemonProcess, jobs: Path) -> None:
    inbox = jobs / "inbox"
    inbox.mkdir()
    for number in range(5):
        (inbox / f"{number}.txt").write_text("text")
    poller = await insert(db, "InboxPoller", is_recursive="true", retry_interval="'100 ms'")
    await until(db, poller, lambda r: not list(inbox.iterdir()))
    (inbox / "late.txt").write_text("text")
    await until(db, poller, lambda r: not list(inbox.iterdir()))
    (inbox / "end").touch()
    assert (await settled(db, poller))["last_execution_status"] == "completed"
    children = await db.fetch("select * from asyncjob.job where parent_id = $1", poller)
    assert len({json.loads(child["params"])["name"] for child in children}) == 6
    strange = await settled(db, await insert(db, "InboxFile", '{"name": "../config.toml"}'))
    assert strange["message"] == "'../config.toml' is not a file of the inbox"


async def test_parent_follows_a_thousand_children_without_a_slot(
    db: Connection, served: DaemonProcess
) -> None:
    job = await settled(db, await insert(db, "Campaign", '{"letters": 1000}'))
    assert (job["status"], job["message"]) == ("Completed", "1000 letters, 0 failed")
    assert job["execution_count"] > 1  # it was not at work meanwhile
    assert job["progress"] == 1
    assert await db.fetchval("select count(*) from asyncjob.job where parent_id = $1", job["id"]) == 1000
