"""`asyncjobd schedule` and what other commands say of schedules."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import answered, config_of, printed, refused, run
from tests.support.daemon import DaemonProcess
from tests.support.jobs import Connection, as_engine
from tests.support.schedules import add, found_next

pytestmark = pytest.mark.anyio


@pytest.fixture
def config(dsn: str, tmp_path: Path) -> Path:
    return config_of(tmp_path, dsn)


async def findings(config: Path) -> list[dict[str, Any]]:
    done = run(config, "doctor", "--json")
    return [each for each in json.loads(done.stdout) if each["about"] == "schedules"]


async def test_schedule_is_added_shown_run_paused_and_resumed(db: Connection, config: Path) -> None:
    DaemonProcess(config).ready()
    printed(
        config, "schedule", "add", "nightly", "greet", '{"to": "you"}', "--cron", "30 2 1 1 *", "--time-zone",
        "Europe/Berlin", "--overlap", "queue", "--catch-up", "all", "--catch-up-for", "2 days", "--jitter", "90 s",
        "--priority", "3", "--max-execution-count", "2", "--timeout", "5 min", "--limit-key", "k",
    )  # fmt: skip
    await found_next(db, "nightly")
    shown = printed(config, "schedule", "show", "nightly")
    for expected in (
        "At 02:30 on January 1, Europe/Berlin", " 1 Jan 20", " 02:30 CET, 01:30 UTC (in ", '{"to": "you"}',
        "catch_up all within 2 days, overlap queue, jitter 1 min 30 s",
        "priority 3, max_execution_count 2, timeout 5 min, limit_key k", "SQL",
    ):  # fmt: skip
        assert expected in shown
    (row,) = answered(config, "schedule", "list")
    assert row == answered(config, "schedule", "show", "nightly")
    assert (row["params"], row["timeout"], row["jitter"]) == ({"to": "you"}, "5 min", "1 min 30 s")
    assert printed(config, "schedule", "run", "nightly") == "nightly: job 1\n"
    assert "asyncjobd show 1" in printed(config, "schedule", "show", "nightly")
    assert printed(config, "schedule", "pause", "nightly").endswith(
        "until asyncjobd schedule resume nightly\n"
    )
    assert "paused" in printed(config, "schedule", "list")
    said = refused(config, "schedule", "run", "nightly")
    assert said == "Error: nightly is paused: asyncjobd schedule resume nightly\n"
    assert printed(config, "schedule", "resume", "nightly") == "nightly goes on\n"


async def test_run_says_why_no_job_is_inserted(db: Connection, config: Path) -> None:
    for name, columns in (
        ("skips", {}), ("queues", {"overlap": "queue"}), ("rests", {"time_zone": "Mars"}), ("refused", {}),
    ):  # fmt: skip
        await add(db, name, job_name="block", **columns)
    alone = printed(config, "schedule", "run", "refused")
    assert alone == "refused: no daemon has inserted its job within 2 s; the next one that is alive does\n"
    await db.execute("alter table asyncjob.job add check (once_key !~ 'refused')")
    DaemonProcess(config).ready()
    for name, jobs in (("skips", 1), ("queues", 2)):
        for _ in range(jobs):
            last = printed(config, "schedule", "run", name).removeprefix(f"{name}: job ").strip()
        said = f"Error: {name}: nothing was inserted: job {last} is open (overlap {name.removesuffix('s')})\n"
        assert refused(config, "schedule", "run", name) == said
    assert 'nothing was inserted: it rests: "Mars" is no time zone' in refused(
        config, "schedule", "run", "rests"
    )
    assert "nothing was inserted: PostgreSQL refuses its job" in refused(config, "schedule", "run", "refused")


def test_unknown_schedule_is_named_with_the_most_similar_one(config: Path) -> None:
    printed(config, "schedule", "add", "nightly", "greet", '{"to": "you"}', "--every", "1 day")
    for command in (["show"], ["run"], ["pause"], ["resume"], ["next", "1"]):
        said = refused(config, "schedule", *command, "nigthly")
        assert said == "Error: there is no schedule 'nigthly'; did you mean 'nightly'?\n"
    said = refused(config, "schedule", "add", "nightly", "greet", '{"to": "you"}', "--every", "1 day")
    assert said == "Error: there is a schedule 'nightly' already\n"


def test_schedule_of_a_name_that_nobody_serves_is_added_with_a_warning(config: Path) -> None:
    done = run(config, "schedule", "add", "nightly", "gret", "--every", "1 day")
    assert (done.returncode, done.stdout) == (0, "nightly is added: asyncjobd schedule show nightly\n")
    assert done.stderr == "Warning: no daemon has ever served 'gret'; did you mean 'greet'?\n"
    assert run(config, "schedule", "add", "daily", "succeed", "--every", "1 day").stderr == ""


def test_next_times_are_in_both_zones(config: Path) -> None:
    lines = printed(
        config, "schedule", "next", "2", "--cron", "30 4 * * *", "--time-zone", "Asia/Kolkata"
    ).splitlines()
    assert lines[0] == "At 04:30 every day, Asia/Kolkata"
    assert len(lines) == 3
    for line in lines[1:]:
        assert re.fullmatch(r"\w{3} \d+ \w{3} 20\d\d 04:30 IST, \w{3} \d+ \w{3} 23:00 UTC \(in .*\)", line)
    printed(config, "schedule", "add", "quarter", "succeed", "--every", "15 min")
    lines = printed(config, "schedule", "next", "1", "quarter").splitlines()
    assert lines[0] == "Every 15 min"
    assert re.search(r" \d\d:(00|15|30|45) UTC \(in ", lines[1])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["next", "1", "--cron", "61 * * * *"], '"61 * * * *" is no cron line (bad minute): write '),
        (["next", "1", "--cron", "@daily", "--time-zone", "Berlin"], '"Berlin" is no time zone; did you mean'),
        (["next", "1"], "expected either NAME or --cron"),
        (["add", "x", "succeed", "--cron", "* * *"], '--cron: "* * *" is no cron line (wrong number of fields)'),
        (["add", "x", "succeed", "--every", "10"], '--every: "10" has no unit'),
        (["add", "x", "succeed", "--every", "1 month"], '--every: "1 month": a month has no fixed length'),
        (["add", "x", "succeed", "--every", "1 day", "--time-zone", "Asia/Tokyo"], "--time-zone: only cron has one"),
        (["add", "x", "succeed"], "expected either cron, such as"),
        (["add", "x", "succeed", "--every", "1 day", "--jitter", "2 days"], "--jitter: "),
        (["add", "x", "greet", '{"too": 1}', "--every", "1 day"], "nothing was inserted: "),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_the_option(config: Path, arguments: list[str], said: str) -> None:
    assert said in " ".join(refused(config, "schedule", *arguments, code=2).split())


async def test_doctor_finds_schedules_that_rest_are_refused_or_late(db: Connection, config: Path) -> None:
    (good,) = await findings(config)
    assert (good["level"], good["seen"]) == ("ok", "0 schedules, none is late")
    await add(db, "late", next_at="2026-01-01 UTC")
    await add(db, "unread", cron="0 0 31 2 *")
    await add(db, "refused")
    await as_engine(db, "update asyncjob.schedule set problem = 'no such month' where name = 'unread'")
    await as_engine(
        db, "update asyncjob.schedule set problem = 'no!', next_at = '2100-01-01' where name = 'refused'"
    )
    refusal, resting, late = await findings(config)
    assert {each["level"] for each in (refusal, resting, late)} == {"problem"}
    assert refusal["seen"] == "refused made no job at its last time: no!"
    assert resting["seen"] == "unread rests, and makes no jobs: no such month"
    assert late["seen"].startswith("late: late for ")
    listed = printed(config, "schedule", "list")
    assert "rests: no such month" in listed
    assert "no daemon has fired it" in listed


def test_config_check_explains_schedules(config: Path) -> None:
    config.write_text(
        config.read_text() + '[schedules.nightly]\ncron = "30 2 * * MON-FRI"\ntime_zone = "Europe/Berlin"\n'
        'job_name = "greeet"\nparams = {to = "you"}\n'
    )  # fmt: skip
    lines = printed(config, "config", "check").splitlines()
    assert lines[0].endswith("good, 4 actions, 1 schedule")
    assert lines[1] == "nightly: At 02:30 on Monday through Friday, Europe/Berlin"
    assert all(
        re.match(r"  (Mon|Tue|Wed|Thu|Fri) .* 02:30 CES?T, 0[01]:30 UTC \(in ", line) for line in lines[2:5]
    )
    assert lines[5] == "  no action of this file is 'greeet'; did you mean 'greet'?"
