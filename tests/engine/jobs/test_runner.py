"""Jobs that run one after the other in the same task do not affect each other."""

import pytest

from tests.conftest import NewDaemon
from tests.engine.jobs import runner_handlers
from tests.support.actions import COMMON, Actions, actions_of
from tests.support.daemon import DaemonProcess
from tests.support.jobs import Connection, insert, running, set_status, settled, unowned

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def actions() -> Actions:
    return COMMON | actions_of(runner_handlers)


async def claimed_together(db: Connection, start_daemon: NewDaemon, *names: str) -> list[int]:
    ids = [await insert(db, name, '{"seconds": 0.01}') for name in names]
    start_daemon(concurrency=10).ready()
    return ids


async def test_context_variable_of_one_job_is_not_seen_by_the_next(
    db: Connection, start_daemon: NewDaemon
) -> None:
    for job_id in await claimed_together(db, start_daemon, *["leaves_a_variable"] * 5):
        assert (await settled(db, job_id))["result"] is None


async def test_cancellation_that_one_job_leaves_behind_does_not_hit_the_next(
    db: Connection, start_daemon: NewDaemon
) -> None:
    for job_id in await claimed_together(
        db, start_daemon, "cancels_itself_late", "sleeps", "cancels_itself_late", "sleeps"
    ):
        job = await settled(db, job_id)
        assert (job["status"], job["execution_total"]) == ("Completed", 1)


async def test_stop_of_one_job_does_not_hit_those_claimed_with_it(
    db: Connection, start_daemon: NewDaemon
) -> None:
    blocked, *others = await claimed_together(
        db, start_daemon, "block", "sleeps_in_thread", "succeed", "sleeps_in_thread"
    )
    await running(db, blocked)
    await set_status(db, blocked, "Failed")
    for job_id in others:
        assert (await settled(db, job_id))["status"] == "Completed"
    assert (await unowned(db, blocked, "Failed"))["last_execution_status"] == "stopped"


async def test_handlers_that_do_not_wait_leave_the_daemon_its_turn(
    db: Connection, daemon: DaemonProcess
) -> None:
    await db.execute(
        "insert into asyncjob.job (job_name, params) select 'blocks_loop', '{\"seconds\": 0.05}' from generate_series(1, 40)"
    )
    daemon.wait_for("job.completed")
    other = await settled(db, await insert(db, "succeed"))
    assert other["started_at"] < await db.fetchval(
        "select max(finished_at) from asyncjob.job where job_name = 'blocks_loop'"
    )
