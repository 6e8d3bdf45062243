"""Schedules make jobs at their times: exactly one each, on any daemon, as SQL and the calendar say."""

import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from tests.support.daemon import DaemonProcess, write_config
from tests.support.jobs import Connection, running, set_status, settled
from tests.support.schedules import NEVER, add, found_next, jobs_of, read, set_next, until

pytestmark = pytest.mark.anyio

NUMBERS = itertools.count()


@pytest.fixture
def dsn(module_dsn: str) -> str:
    return module_dsn


@pytest.fixture(scope="module", autouse=True)
def daemon(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """A daemon that is told of everything: no heartbeat and no look comes within a test."""
    folder = tmp_path_factory.mktemp("daemon")
    daemon = DaemonProcess(write_config(folder, module_dsn, lease="3600 s", name="one")).ready()
    yield daemon
    assert daemon.process.poll() is None, daemon.errors.read_text()
    DaemonProcess.kill_all()


@pytest.fixture
async def name(db: Connection) -> AsyncIterator[str]:
    """The name of the test's own schedule. At its end all schedules are deleted."""
    yield f"s{next(NUMBERS)}"
    await db.execute("delete from asyncjob.schedule")
    await db.execute("update asyncjob.job set status = 'Failed' where status <> 'Completed'")


async def run_now(db: Connection, name: str) -> None:
    """Have the time of a schedule come, and wait until it has gone."""
    calendar = (await found_next(db, name))["next_at"]
    await set_next(db, name, "now()")
    await until(db, name, lambda found: found["next_at"] == calendar)


async def test_new_schedule_finds_its_next_time_and_fires_nothing(db: Connection, name: str) -> None:
    await add(db, name, cron="30 2 29 2 *", time_zone="Europe/Berlin")
    found = await found_next(db, name)
    assert (found["next_at"].hour, found["next_at"].minute, found["next_at"].day) == (1, 30, 29)
    assert found["next_at"] > datetime.now(UTC)
    assert (found["problem"], found["last_at"], await jobs_of(db, name)) == (None, None, [])


async def test_each_time_makes_a_job_with_what_the_schedule_says(db: Connection, name: str) -> None:
    await add(
        db, name, every="1 s", params='{"a": 1}', priority=7, max_execution_count=3, timeout="90 s", limit_key="k",
        overlap="allow",
    )  # fmt: skip
    await until(db, name, lambda found: found["last_job_id"] is not None)
    await db.execute("update asyncjob.schedule set paused_until = 'infinity'")
    found = await read(db, name)
    job = await settled(db, found["last_job_id"])
    assert job["status"] == "Completed"
    assert job["schedule_time"] == found["last_at"]
    assert job["schedule_time"].microsecond == 0
    assert (job["params"], job["priority"], job["max_execution_count"]) == ('{"a": 1}', 7, 3)
    assert (job["timeout"], job["limit_key"], job["is_recursive"]) == (timedelta(seconds=90), "k", False)
    assert job["once_key"] == f"schedule {name} {job['schedule_time']:%Y-%m-%dT%H:%M:%SZ}"
    assert job["started_at"] - job["schedule_time"] < timedelta(seconds=1)


async def test_run_now_fires_once_and_leaves_the_calendar_alone(db: Connection, name: str) -> None:
    await add(db, name)
    calendar = (await found_next(db, name))["next_at"]
    for number in (1, 2):
        await run_now(db, name)
        await settled(db, (await read(db, name))["last_job_id"])
        assert len(await jobs_of(db, name)) == number
        assert (await read(db, name))["next_at"] == calendar


async def test_next_time_is_found_anew_where_the_times_are_others(db: Connection, name: str) -> None:
    await add(db, name)
    before = await found_next(db, name)
    await db.execute("update asyncjob.schedule set cron = '0 0 2 1 *'")
    found = await until(db, name, lambda each: each["next_at"] not in {None, before["next_at"]})
    assert found["next_at"] - before["next_at"] == timedelta(days=1)
    await db.execute("update asyncjob.schedule set time_zone = 'Asia/Kolkata'")
    east = await until(db, name, lambda each: each["next_at"] not in {None, found["next_at"]})
    assert found["next_at"] - east["next_at"] == timedelta(hours=5, minutes=30)
    assert await jobs_of(db, name) == []


CATCH_UP = [  # catch_up, catch_up_for, and the hours before now of the times that make a job, half an hour more each
    ("none", "30 days", []),
    ("one", "1 day", [0]),
    ("one", "1 minute", []),
    ("all", "1 day", [*range(23, -1, -1)]),
    ("all", "30 days", [*range(48, -1, -1)]),
]


@pytest.mark.parametrize(("catch_up", "catch_up_for", "hours"), CATCH_UP)
async def test_catch_up_after_two_days_away(
    db: Connection, name: str, daemon: DaemonProcess, catch_up: str, catch_up_for: str, hours: list[int]
) -> None:
    now = await db.fetchval("select now()")
    half_past = now - timedelta(minutes=30)
    await add(
        db, name, every="1 hour", anchor=half_past - timedelta(hours=72), next_at=half_past - timedelta(hours=48), catch_up=catch_up,
        catch_up_for=catch_up_for, overlap="allow",
    )  # fmt: skip
    found = await until(db, name, lambda each: each["next_at"] > now)
    assert [job["schedule_time"] for job in await jobs_of(db, name)] == [
        half_past - timedelta(hours=each) for each in hours
    ]
    assert found["next_at"] == half_past + timedelta(hours=1)
    if len(hours) < 49:
        daemon.wait_for("schedule.missed", schedule=name)


@pytest.mark.parametrize("overlap", ["skip", "queue"])
async def test_jobs_that_are_caught_up_run_one_after_the_other_in_the_order_of_their_times(
    db: Connection, name: str, daemon: DaemonProcess, overlap: str
) -> None:
    now = await db.fetchval("select now()")
    await add(
        db, name, every="1 day", anchor=now - timedelta(days=9), next_at=now - timedelta(days=4), catch_up="all",
        catch_up_for="30 days", overlap=overlap,
    )  # fmt: skip
    await until(db, name, lambda each: each["next_at"] > now)
    jobs = await jobs_of(db, name)
    assert [job["schedule_time"] for job in jobs] == [now - timedelta(days=each) for each in range(4, -1, -1)]
    ended = [await settled(db, job["id"]) for job in jobs]
    assert {job["status"] for job in ended} == {"Completed"}
    for one, following in itertools.pairwise(ended):
        assert following["waits_for"] == [one["id"]]
        assert one["finished_at"] <= following["started_at"]


async def test_times_are_caught_up_behind_an_open_job_and_those_after_them_are_skipped(
    db: Connection, name: str, daemon: DaemonProcess
) -> None:
    now = await db.fetchval("select now()")
    await add(db, name, every="1 day", anchor=now + timedelta(days=1), catch_up="all", job_name="block")
    await run_now(db, name)
    (open_job,) = await jobs_of(db, name)
    await set_next(db, name, "now() - interval '2 hours'")
    await until(db, name, lambda each: each["next_at"] > now)
    await run_now(db, name)
    caught_up, first = await jobs_of(db, name)
    assert first["id"] == open_job["id"] and caught_up["waits_for"] == [first["id"]]
    daemon.wait_for("schedule.skipped", schedule=name, open_job=first["id"])
    await set_status(db, first["id"], "Failed")
    await running(db, caught_up["id"])
    await run_now(db, name)
    daemon.wait_for("schedule.skipped", schedule=name, open_job=caught_up["id"])
    assert len(await jobs_of(db, name)) == 2


@pytest.mark.parametrize("overlap", ["skip", "queue"])
async def test_times_are_caught_up_behind_an_open_job_of_a_schedule_that_was_deleted(
    db: Connection, name: str, overlap: str
) -> None:
    now = await db.fetchval("select now()")
    ready = {"skip": "block", "queue": "nobody's"}  # one more is queued only while the first has not begun
    calendar = {
        "every": "1 day",
        "anchor": now - timedelta(days=9.5),
        "overlap": overlap,
        "job_name": ready[overlap],
    }
    await add(db, name, **calendar)
    await run_now(db, name)
    (open_job,) = await jobs_of(db, name)
    await db.execute("delete from asyncjob.schedule where name = $1", name)
    await add(db, name, **calendar, catch_up="all", catch_up_for="30 days")
    await found_next(db, name)
    await set_next(db, name, "now() - interval '25 hours'")
    await until(db, name, lambda each: each["next_at"] > now)
    earlier, later, first = sorted(await jobs_of(db, name), key=lambda job: job["schedule_time"])
    assert first["id"] == open_job["id"]
    assert earlier["waits_for"] == [first["id"]] and later["waits_for"] == [earlier["id"]]


async def test_very_many_times_are_caught_up_in_several_moves(db: Connection, name: str) -> None:
    now = await db.fetchval("select now()")
    await add(
        db, name, every="1 s", anchor=now - timedelta(days=1), next_at=now - timedelta(seconds=2500), catch_up="all", overlap="allow",
        job_name="nobody's",
    )  # fmt: skip
    await until(db, name, lambda each: each["next_at"] > now)
    times = [job["schedule_time"] for job in await jobs_of(db, name)]
    assert times[:2501] == [now - timedelta(seconds=each) for each in range(2500, -1, -1)]


async def test_time_is_skipped_while_the_last_job_is_open(
    db: Connection, name: str, daemon: DaemonProcess
) -> None:
    await add(db, name, job_name="block")
    await run_now(db, name)
    (first,) = await jobs_of(db, name)
    await running(db, first["id"])
    await run_now(db, name)
    daemon.wait_for("schedule.skipped", schedule=name, open_job=first["id"])
    await set_status(db, first["id"], "Hold")
    await run_now(db, name)
    assert len(await jobs_of(db, name)) == 1
    await set_status(db, first["id"], "Failed")
    await settled(db, first["id"])
    await run_now(db, name)
    assert len(await jobs_of(db, name)) == 2


async def test_one_more_is_queued_while_the_last_job_runs(
    db: Connection, name: str, daemon: DaemonProcess
) -> None:
    await add(db, name, job_name="block", overlap="queue")
    await run_now(db, name)
    (first,) = await jobs_of(db, name)
    await running(db, first["id"])
    for _ in range(3):
        await run_now(db, name)
    _, second = await jobs_of(db, name)
    daemon.wait_for("schedule.skipped", schedule=name, open_job=second["id"])
    assert (second["waits_for"], second["started_at"]) == ([first["id"]], None)
    await set_status(db, first["id"], "Failed")
    await running(db, second["id"])
    await run_now(db, name)
    assert len(await jobs_of(db, name)) == 3


async def test_jobs_may_overlap(db: Connection, name: str) -> None:
    await add(db, name, job_name="block", overlap="allow")
    for _ in range(3):
        await run_now(db, name)
    for job in await jobs_of(db, name):
        await running(db, job["id"])
    assert len(await jobs_of(db, name)) == 3


async def test_a_time_makes_one_job_even_where_the_schedule_is_set_back(db: Connection, name: str) -> None:
    await add(db, name, overlap="allow")
    await found_next(db, name)
    for _ in range(2):
        await db.execute(
            "update asyncjob.schedule set next_at = date_trunc('second', now()) - interval '9 s'"
        )
        await until(db, name, lambda each: each["next_at"] > datetime.now(UTC))
    assert [job["schedule_time"] for job in await jobs_of(db, name)] == sorted(
        {job["schedule_time"] for job in await jobs_of(db, name)}
    )


async def test_jitter_starts_a_job_later_by_the_same_time_whoever_computes_it(
    db: Connection, name: str
) -> None:
    for each in (f"{name}a", f"{name}b"):
        await add(db, each, jitter="1 hour", job_name="nobody's")
        await run_now(db, each)
        (job,) = await jobs_of(db, each)
        assert timedelta(0) <= job["due_at"] - job["schedule_time"] <= timedelta(hours=1)
        again = await db.fetchval(
            "select $2::timestamptz + interval '1 hour' * ((hashtext($1) & 65535) / 65536.0)",
            job["once_key"], job["schedule_time"],
        )  # fmt: skip
        assert job["due_at"] == max(again, job["created_at"])


async def test_job_of_a_name_that_no_daemon_serves_waits_for_one(db: Connection, name: str) -> None:
    await add(db, name, job_name="nobody's")
    await run_now(db, name)
    (job,) = await jobs_of(db, name)
    assert (job["status"], job["started_at"]) == ("In Progress", None)


async def test_paused_schedule_fires_nothing_and_catches_nothing_up(db: Connection, name: str) -> None:
    await add(db, name, every="1 s", catch_up="all", overlap="allow")
    await until(db, name, lambda each: each["last_at"] is not None)
    await db.execute("update asyncjob.schedule set paused_until = 'infinity'")
    before = [job["id"] for job in await jobs_of(db, name)]
    paused = await db.fetchval("select now()")
    await add(db, "marker", every="1 s")
    later = paused + timedelta(seconds=2)
    await until(db, "marker", lambda found: found["last_at"] and found["last_at"] > later)
    assert [job["id"] for job in await jobs_of(db, name)] == before
    await db.execute("update asyncjob.schedule set paused_until = null where name = $1", name)
    resumed = await db.fetchval("select now()")
    await until(db, name, lambda each: each["last_at"] > resumed)
    added = (await jobs_of(db, name))[len(before) :]
    assert min(job["schedule_time"] for job in added) > resumed - timedelta(seconds=1)


async def test_pause_ends_by_itself(db: Connection, name: str) -> None:
    end = await db.fetchval("select now() + interval '1.5 s'")
    await add(db, name, every="1 s", paused_until=end, catch_up="all")
    found = await until(db, name, lambda each: each["last_at"] is not None)
    (first, *_) = await jobs_of(db, name)
    assert end <= first["schedule_time"] <= end + timedelta(seconds=1)
    assert found["problem"] is None


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"cron": "0 0 31 2 *"}, '"0 0 31 2 *" would never come: month 2 has no day 31'),
        ({"cron": "@fortnightly"}, '"@fortnightly" is no cron line'),
        (
            {"cron": NEVER, "time_zone": "Europe/Berln"},
            '"Europe/Berln" is no time zone; did you mean "Europe/Berlin"?',
        ),
    ],
)
async def test_schedule_that_cannot_be_read_rests_with_its_problem(
    db: Connection, name: str, daemon: DaemonProcess, columns: dict[str, str], problem: str
) -> None:
    await add(db, "other")
    await add(db, name, **columns)
    found = await until(db, name, lambda each: each["problem"] is not None)
    assert found["problem"].startswith(problem)
    assert found["next_at"] is None
    daemon.wait_for("schedule.rests", schedule=name, problem=found["problem"])
    await run_now(db, "other")
    await db.execute("update asyncjob.schedule set cron = $1, time_zone = 'UTC'", NEVER)
    assert (await found_next(db, name))["problem"] is None


async def test_job_that_is_refused_harms_no_other_schedule(
    db: Connection, name: str, daemon: DaemonProcess
) -> None:
    await db.execute(
        "create function refuse() returns trigger language plpgsql as $$ begin raise 'not this one'; end $$;"
        "create trigger refuse before insert on asyncjob.job for each row when (new.job_name = 'refused')"
        " execute function refuse()"
    )
    others = [f"{name}-{number}" for number in range(7)]
    await add(db, name, job_name="refused")
    for each in others:
        await add(db, each)
    for each in (name, *others):
        await found_next(db, each)
    await db.execute("update asyncjob.schedule set next_at = now()")
    for each in others:
        await until(db, each, lambda found: found["last_at"] is not None)
    found = await until(db, name, lambda found: found["problem"] is not None)
    assert found["problem"] == "PostgreSQL refuses its job: not this one"
    assert found["next_at"] > datetime.now(UTC)
    assert await jobs_of(db, name) == []
    daemon.wait_for("schedule.refused", schedule=name)
    await db.execute("drop trigger refuse on asyncjob.job")
    await run_now(db, name)
    assert (await read(db, name))["problem"] is None


async def test_row_that_a_client_has_locked_holds_up_no_other_schedule(
    db: Connection, name: str, dsn: str, daemon: DaemonProcess
) -> None:
    await add(db, name, job_name="block")
    await run_now(db, name)
    (job,) = await jobs_of(db, name)
    await set_status(db, job["id"], "Failed")
    await settled(db, job["id"])
    for other in ("locked", "other"):
        await add(db, other)
    for each in (name, "locked", "other"):
        await found_next(db, each)
    client = await asyncpg.connect(dsn)
    async with client.transaction():
        await client.execute("select from asyncjob.schedule where name = 'locked' for update")
        await client.execute("update asyncjob.job set status = 'In Progress' where id = $1", job["id"])
        await db.execute("update asyncjob.schedule set next_at = now() where name <> 'locked'")
        await until(db, "other", lambda found: found["last_at"] is not None)
    await set_next(db, "locked", "now()")
    await until(db, "locked", lambda found: found["last_at"] is not None)
    await until(db, name, lambda each: each["next_at"] > datetime.now(UTC))
    assert len(await jobs_of(db, name)) == 1
    await client.close()


async def test_deleted_schedule_leaves_its_jobs(db: Connection, name: str) -> None:
    await add(db, name)
    await run_now(db, name)
    await db.execute("delete from asyncjob.schedule")
    (job,) = await jobs_of(db, name)
    assert (await settled(db, job["id"]))["status"] == "Completed"
