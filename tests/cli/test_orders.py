"""Commands order all jobs of a selection."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import answered, printed, refused, run
from tests.support.jobs import Connection, insert

pytestmark = pytest.mark.anyio


async def test_selected_jobs_are_held_released_run_and_cancelled(config: Path, db: Connection) -> None:
    for n in range(3):
        await insert(db, "succeed", f'{{"n": {n % 2}}}', schedule_time="now() + interval '1 day'")
    await insert(db, "greet", status="'Completed'")
    where = ("--where", "name:succeed params.n:0")
    assert printed(config, "hold", *where) == "2 jobs set to Hold\n"
    assert [job["id"] for job in answered(config, "list", "--where", "status:hold")] == [3, 1]
    assert printed(config, "release", *where) == "2 jobs set to Queued\n"
    assert printed(config, "run-now", *where) == "2 jobs set to In Progress\n"
    assert printed(config, "cancel", "--where", "since:1h") == (
        "3 jobs set to Failed; 1 left as they are: not Queued, In Progress, Hold\n"
    )


async def test_row_that_others_have_locked_is_said(config: Path, db: Connection) -> None:
    await insert(db, "succeed", status="'Hold'")
    async with db.transaction():
        await db.execute("select from asyncjob.job for update")
        said = refused(config, "cancel", "--where", "name:succeed")
    assert said == "Error: 0 jobs set to Failed; 1 are locked by others: try again\n"


async def test_order_says_how_far_it_is_and_can_be_stopped(config: Path, db: Connection) -> None:
    await db.execute(
        "insert into asyncjob.job (job_name, status) select 'succeed', 'Hold' from generate_series(1, 40000)"
    )
    command = [sys.executable, "-m", "asyncjobd", "--config", str(config), "cancel", "--where", "status:hold"]
    stoppable = ["env", "--default-signal=INT", *command]  # tests in the background ignore it
    with subprocess.Popen(stoppable, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("up to job ")
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (1, "")
    assert "Error: stopped after job " in errors
    assert 0 < await db.fetchval("select count(*) from asyncjob.job where status = 'Failed'") < 40000


async def test_login_name_that_no_database_can_store_does_no_harm(config: Path, db: Connection) -> None:
    job_id = await insert(db, "succeed", schedule_time="now() + interval '1 day'")
    assert run(config, "hold", str(job_id), LOGNAME="m\udcff\u00fc").stdout == f"{job_id} Hold\n"
    assert await db.fetchval("select ordered_by from asyncjob.job") == "postgres for m??"


async def test_what_is_no_selection_is_said(config: Path) -> None:
    for command in ("hold", "release", "run-now", "cancel", "list"):
        assert "'nmae' is no word of a selection" in refused(config, command, "--where", "nmae:x", code=2)
    for given in ([], ["1", "--where", "name:x"]):
        assert "Give the ids of jobs, or --where." in refused(config, "hold", *given, code=2)
    for command in ("hold", "release", "run-now", "cancel"):
        assert "--where is empty, which means every job" in refused(config, command, "--where", " ", code=2)
    assert "--tree goes with the ids of jobs." in refused(
        config, "cancel", "--tree", "--where", "name:x", code=2
    )
