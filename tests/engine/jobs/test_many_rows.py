"""Many rows at once: all run, once each, and none early."""

import asyncio
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from tests.conftest import NewDaemon
from tests.support.daemon import DEADLINE, DaemonProcess
from tests.support.jobs import Connection, insert, row, running, settled, until

pytestmark = pytest.mark.anyio

LEFT = "select count(*) from asyncjob.job where status <> 'Completed' or daemon_id is not null"


async def all_completed(db: Connection) -> None:
    async with asyncio.timeout(60):
        while await db.fetchval(LEFT):
            await asyncio.sleep(0.05)


async def test_twenty_thousand_jobs_of_one_statement_run_once_each(
    db: Connection, daemon: DaemonProcess
) -> None:
    await db.execute(
        "insert into asyncjob.job (job_name, params) select 'succeed', jsonb_build_object('n', n) from generate_series(1, 20000) n"
    )
    await all_completed(db)
    totals = await db.fetchrow(
        "select count(*), min(execution_total), max(execution_total), count(distinct result) from asyncjob.job"
    )
    assert tuple(totals) == (20000, 1, 1, 20000)
    assert daemon.stop() == 0
    assert len({event["job_id"] for event in daemon.events("job.completed")}) == 20000


async def test_three_daemons_share_jobs_and_run_each_once(db: Connection, start_daemon: NewDaemon) -> None:
    daemons = [start_daemon(name=f"d{n}", concurrency=20) for n in range(3)]
    for daemon in daemons:
        daemon.ready()
    await db.execute("insert into asyncjob.job (job_name) select 'succeed' from generate_series(1, 6000)")
    await all_completed(db)
    assert await db.fetchval("select max(execution_total) from asyncjob.job") == 1
    assert [daemon.stop() for daemon in daemons] == [0, 0, 0]
    assert sum(len(daemon.events("job.completed")) for daemon in daemons) == 6000


async def test_thousand_jobs_due_at_one_instant_start_then_and_not_before(
    db: Connection, daemon: DaemonProcess
) -> None:
    await db.execute(
        "insert into asyncjob.job (job_name, schedule_time) select 'succeed', now() + interval '1 s' from generate_series(1, 1000)"
    )
    await all_completed(db)
    first, last = await db.fetchrow(
        "select min(started_at - schedule_time), max(started_at - schedule_time) from asyncjob.job"
    )
    assert timedelta(0) <= first
    assert last < timedelta(seconds=5)  # what it really takes: tests/benchmarks


async def test_timer_asleep_for_hours_wakes_for_an_earlier_row(db: Connection, daemon: DaemonProcess) -> None:
    await insert(db, "succeed", schedule_time="now() + interval '5 hours'")
    job = await settled(db, await insert(db, "succeed", schedule_time="now() + interval '200 ms'"))
    assert job["started_at"] >= job["schedule_time"]


async def test_row_with_a_low_id_that_commits_late_runs_promptly(
    db: Connection, daemon: DaemonProcess, dsn: str
) -> None:
    late = await asyncpg.connect(dsn)
    transaction = late.transaction()
    await transaction.start()
    low = await insert(late, "succeed")
    high = await insert(db, "succeed")
    await settled(db, high)
    await transaction.commit()
    assert low < high
    assert (await settled(db, low))["status"] == "Completed"
    await late.close()


async def test_running_jobs_never_exceed_the_concurrency(db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon(concurrency=3).ready()
    blocked = [await insert(db, "block") for _ in range(5)]
    for job_id in blocked[:3]:
        await running(db, job_id)
    await db.execute("update asyncjob.job set status = 'Failed' where id = $1", blocked[0])
    await running(db, blocked[3])
    assert (await row(db, blocked[4]))["daemon_id"] is None
    daemon.wait_for("job.started", job_id=blocked[3])
    assert len(daemon.events("job.started")) == 4


async def test_row_claimed_ahead_that_finds_no_slot_is_given_to_others(
    db: Connection, start_daemon: NewDaemon
) -> None:
    daemon = start_daemon(concurrency=2).ready()
    await db.execute(
        "insert into asyncjob.job (job_name) select case when n <= 2000 then 'succeed' else 'block' end"
        " from generate_series(1, 2020) n"
    )
    daemon.wait_for("job.handed_back", reason="not begun")
    unbegun = "select count(*) from asyncjob.job where daemon_id is null and status = 'In Progress' and execution_total = 0"
    async with asyncio.timeout(DEADLINE):
        while await db.fetchval(unbegun) != 18:
            await asyncio.sleep(0.05)
    other = start_daemon(concurrency=100, name="other").ready()
    async with asyncio.timeout(DEADLINE):
        while await db.fetchval(unbegun) != 0:
            await asyncio.sleep(0.05)
    assert await db.fetchval("select max(execution_total) from asyncjob.job") == 1
    await db.execute("update asyncjob.job set status = 'Failed' where status = 'In Progress'")
    assert [each.stop() for each in (daemon, other)] == [0, 0]


async def test_row_claimed_ahead_of_slower_jobs_is_given_to_others_though_slots_get_free(
    db: Connection, start_daemon: NewDaemon
) -> None:
    daemon = start_daemon(concurrency=2).ready()
    await db.execute(
        "insert into asyncjob.job (job_name, params) select case when n <= 2000 then 'succeed' else 'sleeps_in_thread' end,"
        " '{\"seconds\": 0.5}' from generate_series(1, 2010) n"
    )
    daemon.wait_for("job.handed_back", reason="not begun")
    await all_completed(db)


async def test_backlog_of_one_action_behind_that_of_another_is_run_without_a_pause(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(concurrency=100, lease="60 s").ready()
    await db.execute(
        "insert into asyncjob.job (job_name, params) select case when n <= 5000 then 'succeed' else 'sleeps_in_thread' end,"
        " '{\"seconds\": 0}' from generate_series(1, 10000) n"
    )
    async with asyncio.timeout(25):  # the next look would be in 30
        while await db.fetchval(LEFT):
            await asyncio.sleep(0.05)


async def test_older_rows_of_one_action_start_before_younger_ones_of_another(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(concurrency=5).ready()
    await db.execute(  # the first claims find both, so that neither is looked into far
        "insert into asyncjob.job (job_name, params) select case when n % 2 = 0 and n < 200 or n > 4000 then 'sleeps_in_thread'"
        " else 'succeed' end, '{\"seconds\": 0}' from generate_series(1, 5000) n"
    )
    await all_completed(db)
    last_older = "select max(started_at) from asyncjob.job where job_name = 'succeed'"
    first_younger = (
        "select min(started_at) from asyncjob.job where job_name = 'sleeps_in_thread' and id > 4000"
    )
    assert await db.fetchval(f"select ({last_older}) <= ({first_younger})")


async def test_row_claimed_ahead_is_handed_back_at_a_stop(db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon(concurrency=2).ready()
    await db.execute(
        "insert into asyncjob.job (job_name, params) select 'sleeps', '{\"seconds\": 0.002}' from generate_series(1, 20000)"
    )
    async with asyncio.timeout(DEADLINE):
        while not await db.fetchval("select exists (select from asyncjob.job where status = 'Completed')"):
            await asyncio.sleep(0)
    assert daemon.stop() == 0
    left = await db.fetchrow(
        "select count(*) as rows, max(execution_total) as begun, count(daemon_id) as owned from asyncjob.job"
        " where status <> 'Completed'"
    )
    assert left["rows"] > 0
    assert (left["begun"], left["owned"]) == (0, 0)
    assert await db.fetchval("select count(*) from asyncjob.execution") == 0


async def test_lower_priority_value_starts_first(db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon(concurrency=1).ready()
    blocker = await insert(db, "block")
    await running(db, blocker)
    last, first = await insert(db, "succeed", priority="5"), await insert(db, "succeed", priority="-5")
    await db.execute("update asyncjob.job set status = 'Completed' where id = $1", blocker)
    await settled(db, last)
    started = [event["job_id"] for event in daemon.events("job.started")]
    assert started == [blocker, first, last]


async def test_ready_row_that_a_client_has_locked_runs_once_it_is_free(
    db: Connection, start_daemon: NewDaemon, dsn: str
) -> None:
    job_id = await insert(db, "succeed")
    client = await asyncpg.connect(dsn)
    transaction = client.transaction()
    await transaction.start()
    await client.execute("select from asyncjob.job where id = $1 for update", job_id)
    start_daemon().ready()
    await settled(db, await insert(db, "succeed"))  # nobody else is held up
    assert (await row(db, job_id))["execution_total"] == 0
    await transaction.rollback()  # of which nobody is told
    assert (await settled(db, job_id))["status"] == "Completed"
    await client.close()


async def test_locked_rows_at_the_head_hold_up_nobody(
    db: Connection, start_daemon: NewDaemon, dsn: str
) -> None:
    locked = [await insert(db, "succeed", priority="-1") for _ in range(5)]
    due = "now() + interval '300 ms'"
    waiting = await db.fetch(
        f"insert into asyncjob.job (job_name, schedule_time) select 'succeed', {due} from generate_series(1, 1000) returning id"
    )
    client = await asyncpg.connect(dsn)
    transaction = client.transaction()
    await transaction.start()
    await client.execute("select from asyncjob.job for update")
    start_daemon(concurrency=5).ready()
    behind = [
        await insert(db, "succeed"),
        await insert(db, "succeed", schedule_time="now() + interval '400 ms'"),
    ]
    for job_id in behind:
        assert (await settled(db, job_id))["status"] == "Completed"
    assert (await row(db, locked[0]))["execution_total"] == 0
    await transaction.rollback()
    await settled(db, waiting[-1]["id"])
    await client.close()


async def test_thread_that_was_stopped_before_it_began_never_does(
    db: Connection, start_daemon: NewDaemon, tmp_path: Path
) -> None:
    daemon = start_daemon(threads=1).ready()
    file = tmp_path / "end"
    first = await insert(db, "block_in_thread", f'{{"file": "{file}"}}')
    await running(db, first)
    second = await insert(db, "sleeps_in_thread", '{"seconds": 0}')
    await running(db, second)
    await db.execute("update asyncjob.job set status = 'Failed' where id = $1", second)
    daemon.wait_for("job.stopped", job_id=second)
    assert (await settled(db, second))["last_execution_status"] == "stopped"
    file.touch()
    assert (await settled(db, first))["status"] == "Completed"


async def test_outcome_of_a_row_that_a_client_has_locked_is_written_once_it_is_free(
    db: Connection, daemon: DaemonProcess, dsn: str, tmp_path: Path
) -> None:
    file = tmp_path / "end"
    job_id = await insert(db, "block_in_thread", f'{{"file": "{file}"}}')
    await running(db, job_id)
    client = await asyncpg.connect(dsn)
    async with client.transaction():
        await client.execute("update asyncjob.job set priority = 1 where id = $1", job_id)
        file.touch()
        other = await settled(db, await insert(db, "succeed"))  # nobody else is held up
        assert other["status"] == "Completed"
        assert (await row(db, job_id))["daemon_id"] is not None
    assert (await settled(db, job_id))["status"] == "Completed"
    await client.close()


async def test_progress_is_in_the_row_while_the_job_runs(
    db: Connection, daemon: DaemonProcess, tmp_path: Path
) -> None:
    file = tmp_path / "end"
    job_id = await insert(db, "reports", f'{{"file": "{file}"}}')
    job = await until(db, job_id, lambda r: r["progress_message"] == "step 99")
    assert job["progress"] == pytest.approx(0.495)
    file.touch()
    assert (await settled(db, job_id))["progress"] == 1


async def test_last_progress_of_jobs_that_end_at_once_is_in_their_rows(
    db: Connection, daemon: DaemonProcess, tmp_path: Path
) -> None:
    (tmp_path / "end").touch()
    params = f'{{"file": "{tmp_path / "end"}"}}'
    for _ in range(20):
        job = await settled(db, await insert(db, "reports", params))
        assert (job["status"], job["progress"], job["progress_message"]) == ("Completed", 1, "step 99")
    job_id = await insert(db, "reports", params.replace("}", ', "fails": ""}'))
    job = await until(
        db, job_id, lambda r: r["status"] == "Queued" and r["daemon_id"] is None and r["message"]
    )
    assert (job["progress"], job["progress_message"]) == (pytest.approx(0.495), "step 99")


async def test_jobs_built_in_a_handler_are_its_children(db: Connection, daemon: DaemonProcess) -> None:
    parent = await settled(db, await insert(db, "fans_out", '{"children": 20}'))
    children = [
        r["id"]
        for r in await db.fetch("select id from asyncjob.job where parent_id = $1 order by id", parent["id"])
    ]
    assert parent["result"] == str(children)
    assert len(children) == 20
    await all_completed(db)
