"""`asyncjobd hold`, `release`, `cancel` and `run-now`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import answered, printed, refused, run
from tests.support.jobs import Connection, insert

pytestmark = pytest.mark.anyio


def test_number_that_no_job_can_have_is_said(config: Path) -> None:
    large = "99999999999999999999"
    for command in (["show"], ["logs"], ["hold"], ["cancel", "--tree"], ["list", "--parent"]):
        assert f"{large} is too large for the id of a job" in refused(config, *command, large, code=2)
    said = refused(config, "enqueue", "succeed", "--waits-for", f"1,{large}", code=2)
    assert f"{large} is too large for the id of a job" in said
    assert "is not in the range" in refused(config, "list", "--limit", large, code=2)


def test_job_is_held_released_cancelled_and_run_now(config: Path) -> None:
    job = answered(config, "enqueue", "succeed", '{"n": 1}', "--at", "2040-01-01T00:00:00Z")
    job_id = str(job["id"])
    assert (job["status"], job["params"]) == ("Queued", {"n": 1})
    assert printed(config, "hold", job_id) == f"{job_id} Hold\n"
    assert printed(config, "release", job_id) == f"{job_id} Queued\n"
    assert f"job {job_id} is Queued: expected Hold" in refused(config, "release", job_id)
    assert printed(config, "cancel", job_id) == f"{job_id} Failed\n"
    assert printed(config, "run-now", job_id) == f"{job_id} ready\n"
    assert "there is no job 999" in refused(config, "hold", "999")


async def test_job_whose_key_another_one_has_is_left_and_all_others_run_again(
    config: Path, db: Connection
) -> None:
    for _ in range(2):
        await insert(db, "succeed", unique_key="'schedule x'", status="'Failed'")
    await insert(db, "succeed", status="'Failed'")
    done = run(config, "run-now", "1", "2", "3")
    assert (done.returncode, done.stdout) == (1, "1 ready\n3 ready\n")
    said = [line for line in done.stderr.splitlines() if not line.startswith("Warning: ")]
    assert said == ["Error: job 2 was left: job 1 has its unique_key 'schedule x' and is ready"]
    assert printed(config, "run-now", "--where", "status:failed") == (
        "0 jobs set to In Progress; 1 left as they are: another job has their key\n"
    )


@pytest.mark.parametrize(("command", "status"), [("hold", "Hold"), ("run-now", "In Progress")])
async def test_all_jobs_are_written_where_nobody_reads_what_is_printed(
    config: Path, db: Connection, command: str, status: str
) -> None:
    """`| true` ends before the first line; `run-now` warns of each job, too, that no daemon is there."""
    ids = [str(await insert(db, "succeed", schedule_time="'2040-01-01'")) for _ in range(3)]
    reader, pipe = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "asyncjobd", "--config", str(config), command, *ids],
        stdout=pipe, stderr=subprocess.PIPE if command == "hold" else pipe, timeout=60,
    )  # fmt: skip
    os.close(pipe)
    assert (done.returncode, done.stderr or b"") == (0, b"")
    assert await db.fetch("select distinct status from asyncjob.job") == [(status,)]


async def test_job_that_a_trigger_refuses_to_change_is_left_and_said(config: Path, db: Connection) -> None:
    for _ in range(3):
        await insert(db, "succeed", status="'Hold'")
    await db.execute(
        "create function refuse() returns trigger language plpgsql as $$"
        "begin if new.id = 2 then raise 'not this one'; end if; return new; end $$;"
        "create trigger refuse before update on asyncjob.job for each row execute function refuse()"
    )
    assert refused(config, "cancel", "--where", "status:hold").endswith(
        "2 jobs set to Failed; 1 left as they are: PostgreSQL refuses to change them: not this one\n"
    )
    assert printed(config, "list", "--status", "Hold").count("succeed") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--name", "\udcff"],
        ["list", "--where", "name:\udcff"],
        ["show", "--key", "\udcff"],
        ["enqueue", "\udcff"],
        ["schedule", "add", "\udcff", "succeed", "--every", "1 h"],
        ["action", "show", "\udcff"],
    ],
)
def test_argument_that_is_not_utf8_is_refused(config: Path, arguments: list[str]) -> None:
    assert "not UTF-8 text: byte 0xff" in refused(config, *arguments, code=2)
