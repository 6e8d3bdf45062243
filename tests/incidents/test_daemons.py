"""A daemon does not do what it should: `status` and `doctor` name it, and what to do."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncjobd.monitoring.doctor import work
from tests.conftest import NewDaemon, NewDatabase
from tests.incidents.scene import Scene
from tests.support.actions import action
from tests.support.daemon import DaemonProcess, write_config
from tests.support.jobs import Connection, as_engine, insert, running
from tests.workers.hazards_handlers import hoards

pytestmark = pytest.mark.anyio

FOREVER = '{"seconds": 3600}'
SHORT_LEASE = "3 s"


async def test_it_is_frozen(scene: Scene, db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon(name="blue", lease=SHORT_LEASE).ready()
    job_id = await insert(db, "sleeps", FOREVER)
    await running(db, job_id)
    daemon.process.send_signal(signal.SIGSTOP)
    await scene.status("blue is silent for ", "no daemon is alive")
    await scene.show(job_id, "its daemon, blue on ", "is silent for ", "start one, which takes the job back")
    await scene.doctor("daemons", "blue on ", "last heard of ", "journalctl -u asyncjobd")
    scene.leads_to("daemon_is_silent")


async def test_a_handler_blocks_its_event_loop(scene: Scene, db: Connection, start_daemon: NewDaemon) -> None:
    daemon = start_daemon(name="blue", lease="9 s").ready()  # it is silent after four times that
    job_id = await insert(db, "blocks_loop", '{"seconds": 60}')
    blocked = "event loop is blocked for ", f"by job {job_id} of blocks_loop, ", "handlers.py line "
    await scene.status("blue: event loop is blocked for ", *blocked)
    await scene.doctor("daemons", *blocked, "let that handler be a plain function")
    await scene.show(job_id, "runs on blue on ", *blocked)
    assert daemon.wait_for("loop.blocked")["reason"].startswith("event loop is blocked for ")
    scene.leads_to("event_loop_is_blocked")


async def test_its_threads_are_used_up(scene: Scene, db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(name="blue", lease=SHORT_LEASE, threads=1).ready()
    for _ in range(3):
        await insert(db, "block_in_thread", '{"file": "/nowhere"}')
    said = "all 1 [daemon] threads are in use, and 2 of its jobs wait for one"
    await scene.status(f"blue: {said}")
    await scene.doctor("daemons", said, "raise [daemon] threads")
    scene.leads_to("threads_are_used_up")


async def test_its_transactions_are_used_up(scene: Scene, db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(name="blue", lease=SHORT_LEASE, transactions=1).ready()
    for _ in range(2):
        await insert(db, "keeps_its_transaction")
    said = "all 1 [daemon] transactions are in use, and 1 of its jobs wait for one"
    await scene.status(f"blue: {said}")
    await scene.doctor("daemons", said, "raise [daemon] transactions")
    scene.leads_to("threads_are_used_up")


@pytest.fixture
def memory_group() -> Iterator[Path]:
    """Give a control group that has 80 MB of memory."""
    group = Path(f"/sys/fs/cgroup/memory/asyncjobd-test-{os.getpid()}")
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group of version 1 can be made here: {error}")
    (group / "memory.limit_in_bytes").write_text("80000000")
    yield group
    for pid in (group / "cgroup.procs").read_text().split():  # one with processes cannot be removed
        (group.parent / "cgroup.procs").write_text(pid)
    group.rmdir()


async def test_its_memory_is_nearly_used_up(
    scene: Scene, db: Connection, memory_group: Path, start_daemon: NewDaemon
) -> None:
    daemon = start_daemon(name="blue", lease=SHORT_LEASE, actions={"hoards": action(hoards)}).ready()
    (memory_group / "cgroup.procs").write_text(str(daemon.process.pid))  # what it takes from now on counts
    await insert(db, "hoards", '{"megabytes": 66}')
    said = " MB of memory that it may have"
    await scene.status("blue: ", " MB are taken of the ", said)
    await scene.doctor("daemons", said, "raise MemoryMax of the unit")
    scene.leads_to("memory_is_used_up")


async def test_its_changed_configuration_is_refused(
    scene: Scene, dsn: str, tmp_path: Path, start_daemon: NewDaemon
) -> None:
    config = write_config(tmp_path, dsn, {}, name="blue", lease=SHORT_LEASE)
    daemon = DaemonProcess(config).ready()
    config.write_text(config.read_text() + '\n[actions.New]\nhandler = "nowhere:nothing"\n')
    daemon.process.send_signal(signal.SIGHUP)
    said = "a changed configuration was refused: "
    await scene.status(f"blue: {said}", "cannot import 'nowhere'")
    await scene.doctor("daemons", said, "[actions.New] handler", "correct the file (asyncjobd config check)")
    scene.leads_to("change_has_no_effect")


async def test_it_is_of_another_version(scene: Scene, db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(name="old").ready()
    await as_engine(db, "update asyncjob.daemon set version = '0.0.9'")
    await scene.doctor(
        "versions", "old on ", "is of version 0.0.9", "restart it with the version that is installed"
    )
    scene.leads_to("change_has_no_effect")


async def test_it_works_on_another_database(
    scene: Scene, new_database: NewDatabase, start_daemon: NewDaemon
) -> None:
    elsewhere = new_database()
    start_daemon(to=elsewhere).ready()
    name = elsewhere.split("/")[3].split("?")[0]
    await scene.doctor("daemons", f"one works on the database {name} of this server", "see its dsn")
    scene.leads_to("no_daemon")


async def test_its_job_hangs(
    scene: Scene, db: Connection, start_daemon: NewDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "OLD_RUNNING_SECONDS", 0.0)
    start_daemon().ready()
    job_id = await insert(db, "sleeps", FOREVER)
    await running(db, job_id)
    await scene.doctor(
        "running", f"the oldest is job {job_id} of sleeps", f"see asyncjobd show {job_id}; a timeout"
    )
    scene.leads_to("job_does_not_end")


async def test_more_jobs_come_than_go(scene: Scene, db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon(concurrency=1).ready()
    await running(db, await insert(db, "sleeps", FOREVER))
    await db.execute("insert into asyncjob.job (job_name) select 'sleeps' from generate_series(1, 200)")
    await scene.status("sleeps: oldest ready for ", ", and more come (", ") than go (0/s)")


async def test_its_limits_are_not_those_of_the_file(
    scene: Scene, db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon().ready()
    await db.execute("update asyncjob.action set max_running = 1 where name = 'succeed'")
    await scene.doctor(
        "limits", "succeed: max_running is 1, and none in the configuration", "asyncjobd limit succeed"
    )
    scene.leads_to("limit_is_reached")


async def test_its_schedule_rests(scene: Scene, db: Connection, start_daemon: NewDaemon) -> None:
    start_daemon().ready()
    await db.execute(
        "insert into asyncjob.schedule (name, job_name, cron, time_zone) values ('nightly', 'succeed', '61 * * * *', 'UTC')"
    )
    await scene.doctor("schedules", "nightly")
    scene.leads_to("schedule_makes_no_job")


async def test_its_schedule_goes_on_without_it(scene: Scene, start_daemon: NewDaemon, db: Connection) -> None:
    nightly = {"cron": "0 2 * * *", "time_zone": "UTC", "job_name": "succeed"}
    daemon = start_daemon(name="old", schedules={"nightly": nightly}).ready()
    daemon.stop()
    await scene.doctor(
        "schedules",
        "nightly is in the configuration of old, a daemon that is gone",
        "asyncjobd schedule pause nightly",
    )
    scene.leads_to("schedule_makes_no_job")


async def test_its_schedule_is_late(scene: Scene, db: Connection) -> None:
    await db.execute(
        "insert into asyncjob.schedule (name, job_name, every, next_at)"
        " values ('nightly', 'succeed', '1 day', now() - interval '1 min')"
    )
    await scene.doctor("schedules", "nightly", "late")
    scene.leads_to("schedule_makes_no_job")
