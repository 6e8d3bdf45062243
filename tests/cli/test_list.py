"""`asyncjobd list` has one line for each job."""

from pathlib import Path

import pytest

from asyncjobd.cli.grid import Column, grid
from tests.cli.commands import answered, assert_fits, has_utc_time, on_terminal, printed, refused, run
from tests.support.jobs import Connection, insert

pytestmark = pytest.mark.anyio


@pytest.fixture
async def jobs(db: Connection, config: Path) -> None:
    """Jobs in every state, with long names and messages."""
    await insert(db, "succeed")
    await insert(db, "a_name_that_is_" + "rather_" * 9 + "long", schedule_time="now() + interval '1 day'")
    await insert(db, "succeed", schedule_time="now() + interval '10 years 1 day'")
    await insert(db, "succeed", status="'Hold'")
    await db.execute(
        "insert into asyncjob.job (job_name, status, message, started_at, finished_at, execution_count) "
        "values ('fail', 'Failed', repeat('some words ', 50), now() - interval '2 days', now() - interval '1 day', 3)"
    )


@pytest.mark.parametrize("columns", [80, 120])
async def test_each_job_has_one_line_that_fits(config: Path, jobs: None, columns: int) -> None:
    listed = on_terminal(config, "list", columns=columns)
    assert_fits(listed, columns)
    lines = listed.splitlines()
    assert len(lines) == 6
    assert not has_utc_time(listed)
    assert "yesterday " in lines[1]
    assert "some words" in lines[1]
    assert "due in 10 years" in lines[3]
    assert "due tomorrow " in lines[4]
    assert " ready " in lines[5]


def test_long_name_widens_no_other_line() -> None:
    columns = [Column("name", gives=True), Column("state")]
    title, long, short = grid(columns, [["a" * 500, "ready"], ["b", "ready"]], None)
    assert long.plain == "a" * 500 + "  ready"
    assert short.plain == "b" + " " * 61 + "ready"
    assert title.plain.startswith("name ")


async def test_word_that_is_given_twice_is_refused(config: Path) -> None:
    for word, value in (("status", "Hold"), ("name", "a"), ("parent", "1"), ("key", "k")):
        said = refused(config, "list", f"--{word}", value, "--where", f"{word}:{value} since:2h", code=2)
        assert f"{word} is given twice, by --{word} and in --where" in said
    assert printed(config, "list", "--status", "Hold", "--where", "name:a") == "no jobs\n"


async def test_pipe_gets_whole_lines(config: Path, jobs: None) -> None:
    lines = printed(config, "list").splitlines()
    assert len(lines) == 6
    assert lines[1].count("some words") == 50


async def test_ready_is_told_apart_from_running(config: Path, db: Connection) -> None:
    """ "In Progress" of a job that nobody has begun reads as running."""
    await insert(db, "succeed")
    assert " ready " in printed(config, "list")
    assert "In Progress" not in printed(config, "list")
    (job,) = answered(config, "list", "--status", "ready")
    assert (job["status"], job["state"]) == ("In Progress", "ready")
    assert answered(config, "list", "--status", "running") == []
    assert len(answered(config, "list", "--status", "in progress")) == 1


async def test_jobs_are_selected(config: Path) -> None:
    run(config, "enqueue", "succeed", "--every", "5 min", "--priority", "7", "--unique-key", "k")
    run(config, "enqueue", "unheard_of")
    assert [job["job_name"] for job in answered(config, "list")] == ["unheard_of", "succeed"]
    (job,) = answered(config, "list", "--name", "succeed", "--status", "In Progress")
    assert (job["is_recursive"], job["priority"]) == (True, 7)
    assert [job["id"] for job in answered(config, "list", "--key", "k")] == [1]
    assert printed(config, "list", "--name", "none") == "no jobs\n"
