"""A wrong or stepping clock on the daemon's host changes nothing: only the database's clock counts."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.conftest import NewDaemon
from tests.support.actions import action
from tests.support.faketime import faketime
from tests.support.handlers import block
from tests.support.jobs import Connection, insert, row, running, settled, unowned
from tests.support.schedules import add, jobs_of, read, until

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not faketime(Path()), reason="there is no libfaketime: apt install libfaketime"),
]


async def test_clock_that_is_ten_minutes_off_and_steps_back_changes_nothing(
    db: Connection, start_daemon: NewDaemon, tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+600s\n")
    wrong = start_daemon(name="wrong", lease="4 s", environment=faketime(clock)).ready()
    right = start_daemon(name="right", lease="4 s", actions={"block": action(block)}).ready()
    kept = await insert(db, "block")
    await running(db, kept)
    for offset in ("-600s", "+600s", "+0s"):
        clock.write_text(offset + "\n")
        due = await insert(
            db, "succeed", schedule_time="now() + interval '1200 ms'"
        )  # meanwhile libfaketime reads it
        job = await settled(db, due)
        assert job["schedule_time"] <= job["started_at"] <= job["finished_at"] <= job["now"]
        again = await insert(db, "answer", '{"answers": ["failed", "success"]}', retry_interval="'100 ms'")
        assert (await settled(db, again))["execution_total"] == 2
        repeats = await insert(db, "succeed", is_recursive="true", retry_interval="'1 hour'")
        waits = await unowned(db, repeats, "Queued")
        assert 3590 < (waits["due_at"] - waits["now"]).total_seconds() <= 3600
    assert (await row(db, kept))["execution_total"] == 1
    assert not wrong.events("lease.unsure")
    assert not right.events("job.rescued")


async def test_schedules_follow_the_clock_of_the_database(
    db: Connection, start_daemon: NewDaemon, tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+600s\n")
    start_daemon(environment=faketime(clock)).ready()
    await add(db, "s", every="1 s", catch_up="all", overlap="allow")
    for offset in ("-600s", "+600s", "+0s"):
        before = (await until(db, "s", lambda found: found["last_at"] is not None))["last_at"]
        clock.write_text(offset + "\n")  # libfaketime reads it within a second
        later = before + timedelta(seconds=2)
        await until(db, "s", lambda found, later=later: found["last_at"] >= later)  # type: ignore[misc]
    jobs = [job for job in await jobs_of(db, "s") if job["schedule_time"] <= (await read(db, "s"))["last_at"]]
    times = [job["schedule_time"] for job in jobs]
    assert times == [times[0] + timedelta(seconds=number) for number in range(len(times))]
    for job in jobs:
        assert timedelta(0) <= job["created_at"] - job["schedule_time"] < timedelta(seconds=3)
