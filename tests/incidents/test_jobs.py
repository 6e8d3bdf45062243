"""A job does not do what somebody expects: `show` says why, and what to do."""

import pytest

from tests.conftest import NewDaemon
from tests.incidents.scene import Scene
from tests.support.daemon import asyncjobd
from tests.support.jobs import Connection, insert, running, set_status, settled, until

pytestmark = pytest.mark.anyio

FOREVER = '{"seconds": 3600}'


async def test_its_name_is_one_letter_off(scene: Scene, db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon().ready()
    job_id = await insert(db, "suceed")
    await scene.show(job_id, "no daemon has ever served 'suceed'; did you mean 'succeed'?")
    await scene.doctor("unserved", "suceed: 1 ready", "did you mean 'succeed'?", "correct the name")
    await scene.status("suceed: 1 ready, no daemon has ever served this name")
    scene.leads_to("nobody_serves_it")


async def test_no_daemon_is_there(scene: Scene, db: Connection) -> None:
    await scene.show(await insert(db, "succeed"), "no daemon is alive: start one: asyncjobd run")
    await scene.doctor("daemons", "there is none", "start one")
    await scene.status("no daemon is alive")
    scene.leads_to("no_daemon")


async def test_the_daemon_that_serves_it_was_stopped(
    scene: Scene, db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(name="one").ready().stop()
    start_daemon(name="other", actions={}).ready()
    await scene.show(await insert(db, "succeed"), "no daemon that serves 'succeed' is alive: start it")
    await scene.doctor("unserved", "succeed: 1 ready, no daemon that serves it is alive")
    scene.leads_to("nobody_serves_it")


async def test_the_file_has_it_and_no_daemon_has_loaded_it(
    scene: Scene, db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon().ready()
    job_id = await insert(db, "New")
    await scene.show(job_id, "has 'New', but no daemon has loaded it: systemctl reload", configured=["New"])
    await scene.doctor("unserved", "no daemon has loaded it: systemctl reload", configured=["New"])
    scene.leads_to("change_has_no_effect")


async def test_its_action_is_inactive(scene: Scene, db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon().ready()
    await scene.show(await insert(db, "asleep"), "the action is inactive: asyncjobd action enable asleep")
    scene.leads_to("paused_or_draining")


async def test_its_action_is_paused(scene: Scene, db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon().ready()
    await db.execute(
        "update asyncjob.action set paused_until = now() + interval '1 h' where name = 'succeed'"
    )
    await scene.show(await insert(db, "succeed"), "paused until ", " by postgres: asyncjobd resume succeed")
    await scene.status("succeed: 1 ready, paused until ")
    scene.leads_to("paused_or_draining")


async def test_its_daemons_drain(scene: Scene, db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon(name="blue").ready()
    await db.execute("update asyncjob.daemon set is_draining = true")
    daemon.wait_for("daemon.draining")
    await scene.show(
        await insert(db, "succeed"), "every daemon that serves it drains (blue): asyncjobd drain NAME --undo"
    )
    await scene.status("every daemon drains")
    await scene.doctor("daemons", "asyncjobd drain NAME --undo")
    scene.leads_to("paused_or_draining")


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ("max_running = 1", "max_running of sleeps (1) is reached, by job 1"),
        ("max_running_per_key = 1", "max_running_per_key of sleeps (1) is reached by the limit_key 'k', by job 1"),
        ("max_running_per_daemon = 1", "max_running_per_daemon of sleeps (1) is reached"),
        ("rate = '1 per hour', burst = 1", "the rate of sleeps (1 per hour) is used up: the next start is due in "),
        ("rate_per_key = '1 per hour', burst = 1", "is used up by the limit_key 'k': the next start is due in "),
    ],
)  # fmt: skip
async def test_a_limit_is_reached(
    scene: Scene, db: Connection, start_daemon: NewDaemon, limits: str, reason: str
) -> None:
    start_daemon().ready()
    await db.execute(f"update asyncjob.action set {limits} where name = 'sleeps'")
    first = await insert(db, "sleeps", FOREVER, limit_key="'k'")
    await running(db, first)
    await scene.show(await insert(db, "sleeps", FOREVER, limit_key="'k'"), reason, "asyncjobd limit sleeps")
    scene.leads_to("limit_is_reached")


async def test_the_slots_run_others(scene: Scene, db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(concurrency=1).ready()
    await running(db, await insert(db, "sleeps", FOREVER))
    await scene.show(
        await insert(db, "succeed"),
        "the one slot of the daemon that serves it runs other jobs (1 of sleeps, the longest for ",
    )
    await scene.status("1/1")
    scene.leads_to("job_does_not_start")


async def test_others_go_first(scene: Scene, db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(concurrency=1).ready()
    await running(db, await insert(db, "sleeps", FOREVER))
    for _ in range(2):
        await insert(db, "succeed", priority="-1")
    job_id = await insert(db, "succeed")
    await scene.show(job_id, "2 ready jobs of succeed with a better priority go first", "the one slot")
    await scene.show(await insert(db, "succeed"), "2 ready jobs of succeed with a better priority go first")
    scene.leads_to("job_does_not_start")


async def test_it_is_due_in_ten_years(scene: Scene, db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon().ready()
    job_id = await insert(db, "succeed", schedule_time="now() + interval '3653 days'")
    await scene.show(job_id, "(in 10 years)", f"asyncjobd run-now {job_id} starts it at once")
    await scene.doctor("due", f"job {job_id} of succeed, inserted by postgres, is due ", "(in 10 years)")
    scene.leads_to("job_does_not_start", "statuses")


async def test_somebody_holds_it(scene: Scene, db: Connection) -> None:
    job_id = await insert(db, "succeed")
    await db.execute("set asyncjob.actor = 'alice'")
    await set_status(db, job_id, "Hold")
    await scene.show(job_id, "on Hold since ", " by postgres for alice", f"asyncjobd release {job_id}")
    scene.leads_to("statuses")


async def test_a_job_that_it_waits_for_is_held(scene: Scene, db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon().ready()
    held = await insert(db, "succeed", status="'Hold'")
    job_id = await insert(db, "succeed", waits_for=f"array[{held}]")
    await scene.show(job_id, f"waits for job {held} (succeed, Hold)")
    scene.leads_to("jobs_wait_for_jobs")


async def test_it_waits_in_a_circle(
    scene: Scene, db: Connection, other: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon().ready()
    first, second = [await insert(db, "succeed", schedule_time="'2040-01-01'") for _ in range(2)]
    rewire = "update asyncjob.job set waits_for = array[$2]::bigint[] where id = $1"
    async with db.transaction(), other.transaction():  # neither sees the other
        await db.execute(rewire, first, second)
        await other.execute(rewire, second, first)
    await scene.doctor(
        "waiting", f"{first}", f"{second}", "wait for each other in a circle", "cancel one of them"
    )
    scene.leads_to("jobs_wait_for_jobs")


async def test_a_job_that_it_needed_has_failed(scene: Scene, db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon().ready()
    failed = await insert(db, "raises", max_execution_count="1")
    job_id = await insert(db, "succeed", waits_for=f"array[{failed}]")
    await settled(db, job_id)
    await scene.show(job_id, f"job {failed}, which it waited for, has failed")
    scene.leads_to("jobs_wait_for_jobs")


async def test_its_row_is_locked(
    scene: Scene, db: Connection, other: Connection, start_daemon: NewDaemon
) -> None:
    job_id = await insert(db, "succeed")
    await other.execute("begin; select from asyncjob.job for update")
    start_daemon().ready()
    pid = other.get_server_pid()
    await scene.show(job_id, f"its row is locked by pid {pid} (postgres, shop, ")
    await scene.doctor(
        "locks",
        f"pid {pid} (postgres, shop, idle in transaction)",
        f"pg_terminate_backend({pid})",
        is_hidden=True,
    )
    scene.leads_to("row_is_locked")


async def test_its_insert_is_not_committed(scene: Scene, other: Connection) -> None:
    await other.execute("begin")
    job_id = await insert(other, "succeed")
    await scene.show(
        job_id, "its INSERT may not be committed yet", f"pid {other.get_server_pid()} (postgres, shop"
    )
    await scene.doctor(
        "locks", "what it inserts is not there yet", "let it commit, or end it", is_hidden=True
    )
    scene.leads_to("job_does_not_start", "row_is_locked")


async def test_it_was_deleted(scene: Scene, db: Connection) -> None:
    job_id = await insert(db, "succeed")
    await db.execute("delete from asyncjob.job")
    await scene.show(job_id, "its INSERT was undone, or the job was deleted, perhaps by [retention]")
    await scene.show(job_id + 1, f"the last id that was given out is {job_id}")
    scene.leads_to("job_does_not_start")


async def test_its_tries_are_used_up(scene: Scene, db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon().ready()
    job_id = await insert(db, "raises", max_execution_count="2", retry_interval="'10 ms'")
    await settled(db, job_id)
    await scene.show(job_id, "all 2 tries are used up; the last ended as failed")
    await scene.status("raises", "KeyError: 'the reason'")
    scene.leads_to("jobs_fail")


async def test_its_params_do_not_fit(scene: Scene, db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon().ready()
    job_id = await insert(db, "sleeps", '"a text"')
    await settled(db, job_id)
    await scene.show(job_id, "try 1 of 5 ended as fatal_error, which is not tried again")
    await scene.status("params do not fit")
    scene.leads_to("jobs_fail")


async def test_it_ran_into_its_timeout(scene: Scene, db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon().ready()
    job_id = await insert(db, "sleeps", FOREVER, timeout="'50 ms'", max_execution_count="1")
    await settled(db, job_id)
    await scene.show(job_id, "its one try is used up; the last ended as timeout")
    scene.leads_to("jobs_fail")


async def test_somebody_cancelled_it(scene: Scene, db: Connection) -> None:
    job_id = await insert(db, "succeed")
    await set_status(db, job_id, "Failed")
    await scene.show(job_id, "set to Failed ", " ago) by postgres")
    scene.leads_to("statuses")


async def test_its_retry_comes_later(scene: Scene, db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon().ready()
    job_id = await insert(db, "raises")
    await until(db, job_id, lambda row: row["status"] == "Queued" and row["execution_count"])
    await scene.show(job_id, "due ", "after an execution that ended as failed", "asyncjobd run-now")
    scene.leads_to("retry")


async def test_on_conflict_do_nothing_inserted_nothing(db: Connection, dsn: str) -> None:
    job_id = await insert(db, "succeed", unique_key="'k'", schedule_time="now() + interval '1 day'")
    again = "insert into asyncjob.job (job_name, unique_key) values ('succeed', 'k') on conflict do nothing"
    assert await db.execute(again) == "INSERT 0 0"
    refused = asyncjobd("--dsn", dsn, "enqueue", "succeed", "--unique-key", "k")
    assert f"a live job has the unique key 'k': job {job_id} of succeed, which is Queued" in refused.stderr
    assert asyncjobd("--dsn", dsn, "show", "--key", "k").stdout.startswith(
        f"job                   {job_id} of succeed"
    )
