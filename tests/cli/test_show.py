"""`asyncjobd show` begins with the state of a job, and why it is as it is."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from tests.cli.commands import answered, assert_fits, config_of, has_utc_time, on_terminal, printed
from tests.support.daemon import DEADLINE, DaemonProcess
from tests.support.jobs import Connection, as_engine, insert, running, settled, unowned

pytestmark = pytest.mark.anyio


async def reason(config: Path, job_id: int) -> str:
    """Return why the job is as it is, as `show` says."""
    shown = await asyncio.to_thread(answered, config, "show", str(job_id))
    return str(shown["why"]["sentence"])


@pytest.mark.parametrize("columns", [80, 120])
async def test_failed_job_has_its_reason_first_and_its_traceback_once(
    config: Path, db: Connection, columns: int
) -> None:
    DaemonProcess(config).ready()
    job_id = await insert(db, "fail", max_execution_count="3", retry_interval="interval '10 ms'")
    await settled(db, job_id)
    shown = on_terminal(config, "show", str(job_id), columns=columns)
    lines = shown.splitlines()
    assert lines[0].split() == ["job", str(job_id), "of", "fail"]
    assert lines[1].startswith("state                 Failed, since ")
    assert lines[2].startswith("why                   all 3 tries are used up; the last ended as failed ->")
    assert "message               KeyError: 'the reason, which is" in "\n".join(lines[3:5])
    assert shown.count("Traceback") == 1
    before, _, after = shown.partition("Traceback")
    assert_fits(before, columns)
    earlier = after[after.index("EARLIER") :].splitlines()
    assert len(earlier) == 3
    assert_fits("\n".join(earlier), columns)
    assert earlier[1].split()[:3] == ["1", "failed", "KeyError:"]
    assert not has_utc_time(shown)
    assert "lease" not in shown


async def test_log_that_is_kept_is_shown_and_in_json_that_of_each_try(config: Path, db: Connection) -> None:
    logged = "first line\nsecond \x1b[31mline"
    job_id = await insert(db, "succeed", status="'Completed'", log=f"'{logged}'")
    await as_engine(
        db,
        "insert into asyncjob.execution values ($1, 1, null, null, now(), 'failed', 'x', null, 'before')",
        job_id,
    )
    shown = printed(config, "show", str(job_id))
    assert "\n\nlog of its last execution\nfirst line\nsecond " in shown
    assert "\x1b" not in shown
    assert "before" not in shown
    found = answered(config, "show", str(job_id))
    assert (found["log"], [each["log"] for each in found["executions"]]) == (logged, ["before"])


async def test_reason_why_it_waits_stands_at_the_top(config: Path, db: Connection) -> None:
    await insert(db, "unheard_of")
    lines = printed(config, "show", "1").splitlines()
    assert lines[1].startswith("state                 ready, since ")
    assert lines[2] == (
        "why                   no daemon is alive: start one: asyncjobd run, or systemctl start asyncjobd"
        " -> asyncjobd help no_daemon"
    )


async def test_delay_of_a_retry_is_explained(config: Path, db: Connection) -> None:
    DaemonProcess(config).ready()
    columns = {"retry_interval": "'1 hour'", "retry_backoff": "2", "retry_interval_max": "'3 hours'"}
    backs_off = await insert(db, "fail", retry_jitter="0.1", **columns)
    await unowned(db, backs_off, "Queued")
    said = await reason(config, backs_off)
    assert said.endswith(
        ", after an execution that ended as failed; the delay of try 2 is 1 hour x 2^0, at most 3 hours, "
        f"up to 0.1 of it earlier: asyncjobd run-now {backs_off} starts it at once"
    )
    plain = await insert(db, "fail", retry_interval="'1 hour'")
    await unowned(db, plain, "Queued")
    assert ", after an execution that ended as failed: asyncjobd run-now" in await reason(config, plain)
    await db.execute(
        "update asyncjob.job set schedule_time = now() + interval '2 hours' where id = $1", backs_off
    )
    assert "x 2^0" not in await reason(config, backs_off)


async def test_name_is_the_reason(config: Path, db: Connection, dsn: str, tmp_path: Path) -> None:
    sleeping = {"handler": "handlers_for_commands:succeed", "is_active": False}
    (tmp_path / "daemon").mkdir()
    daemon = DaemonProcess(
        config_of(tmp_path / "daemon", dsn, {"asleep": sleeping, "succeed": sleeping | {"is_active": True}})
    ).ready()
    assert await reason(config, await insert(db, "Suceed")) == (
        "no daemon has ever served 'Suceed'; did you mean 'succeed'?"
    )
    assert await reason(config, await insert(db, "asleep")) == (
        "the action is inactive: asyncjobd action enable asleep"
    )
    assert "but no daemon has loaded it: systemctl reload" in await reason(config, await insert(db, "greet"))
    daemon.stop()
    DaemonProcess(config_of(tmp_path / "daemon", dsn, {})).ready()
    assert "no daemon that serves 'succeed' is alive" in await reason(config, await insert(db, "succeed"))


async def test_time_and_hold_are_the_reason(config: Path, db: Connection) -> None:
    DaemonProcess(config).ready()
    later = await insert(db, "succeed", schedule_time="now() + interval '10 years 1 day'")
    assert "(in 10 years): asyncjobd run-now" in await reason(config, later)
    held = await insert(db, "succeed", status="'Hold'")
    said = await reason(config, held)
    assert said.startswith("on Hold since ")
    assert said.endswith(f" by postgres, until it is released: asyncjobd release {held}")
    again = await insert(db, "fail")
    async with asyncio.timeout(DEADLINE):
        while ", after an execution that ended as failed" not in await reason(config, again):
            pass


async def test_other_jobs_are_the_reason(dsn: str, tmp_path: Path, db: Connection) -> None:
    config = config_of(tmp_path, dsn, concurrency=1)
    DaemonProcess(config).ready()
    await running(db, await insert(db, "block"))
    await insert(db, "succeed", priority="-10")
    await insert(db, "succeed", priority="-10")
    first, last = await insert(db, "succeed"), await insert(db, "succeed", priority="5")
    slot = "the one slot of the daemon that serves it runs other jobs (1 of block, the longest for "
    assert f"2 ready jobs of succeed with a better priority go first; {slot}" in await reason(config, first)
    assert f"3 ready jobs of succeed with a better priority go first; {slot}" in await reason(config, last)
    fails = await insert(db, "fail")
    assert (await reason(config, fails)).startswith(slot)
    assert printed(config, "show", "1").splitlines()[1].startswith("state                 running, since ")


async def test_turns_of_keys_are_the_reason(dsn: str, tmp_path: Path, db: Connection) -> None:
    config = config_of(tmp_path, dsn, concurrency=1)
    DaemonProcess(config).ready()
    await db.execute("update asyncjob.action set max_running_per_key = 2 where name = 'block'")
    await running(db, await insert(db, "block", limit_key="'a'"))
    first, last = [await insert(db, "block", limit_key="'b'") for _ in range(2)]
    slot = "the one slot of the daemon that serves it runs other jobs (1 of block, the longest for "
    assert (await reason(config, first)).startswith(f"the turn of its limit_key is about to come; {slot}")
    assert (await reason(config, last)).startswith(
        f"1 ready job of its limit_key go first, and keys take turns; {slot}"
    )


async def test_row_that_somebody_has_locked_is_the_reason(config: Path, dsn: str, db: Connection) -> None:
    other = await asyncpg.connect(dsn)
    job_id = await insert(db, "succeed")
    await other.execute("begin")
    await other.execute("select from asyncjob.job for update")
    DaemonProcess(config).ready()
    await asyncio.sleep(1.1)
    assert await reason(config, job_id) == (
        f"its row is locked by pid {other.get_server_pid()} (postgres, , idle in transaction)"
    )
    await other.close()
