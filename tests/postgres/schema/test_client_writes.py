"""Writes of `status` by a client: every cell of the table, by plain SQL, with a real daemon at work."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from tests.support.daemon import DaemonProcess
from tests.support.jobs import (
    Connection,
    executions,
    insert,
    row,
    running,
    set_status,
    settled,
    unowned,
    until,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("daemon")]

LATER = "now() + interval '1 hour'"
ENDS = ["Completed", "Failed"]


@pytest.fixture
def dsn(module_dsn: str) -> str:
    return module_dsn


@pytest.fixture
def daemon(module_daemon: DaemonProcess) -> DaemonProcess:
    return module_daemon


# --- new rows


@pytest.mark.parametrize("status", ["Queued", "In Progress"])
@pytest.mark.parametrize("schedule_time", ["null", "now() - interval '1 day'"])
async def test_new_row_without_a_future_time_runs_at_once(
    db: Connection, status: str, schedule_time: str
) -> None:
    job = await settled(db, await insert(db, "succeed", status=f"'{status}'", schedule_time=schedule_time))
    assert (job["status"], job["execution_count"], job["message"]) == ("Completed", 1, "done")


@pytest.mark.parametrize("status", ["Queued", "In Progress"])
async def test_new_row_with_a_future_time_waits_for_it(db: Connection, status: str) -> None:
    async with db.transaction():  # of which no daemon hears before it was looked at
        job_id = await insert(db, "succeed", status=f"'{status}'", schedule_time="now() + interval '300 ms'")
        assert (await row(db, job_id))["status"] == "Queued"
    job = await settled(db, job_id)
    assert job["started_at"] >= job["schedule_time"]


async def test_new_row_on_hold_is_held(db: Connection) -> None:
    held = await insert(db, "succeed", status="'Hold'")
    await settled(db, await insert(db, "succeed"))
    assert (await row(db, held))["status"] == "Hold"


@pytest.mark.parametrize("status", ENDS)
async def test_new_row_that_has_ended_is_recorded_as_is(db: Connection, status: str) -> None:
    job_id = await insert(db, "succeed", status=f"'{status}'", message="'imported'", result="'7'")
    await settled(db, await insert(db, "succeed"))
    job = await row(db, job_id)
    assert (job["status"], job["message"], job["result"], job["execution_total"]) == (
        status,
        "imported",
        "7",
        0,
    )
    assert job["finished_at"] is not None


# --- Queued


async def test_queued_to_queued_keeps_the_time_and_edits_the_rest(db: Connection) -> None:
    job_id = await insert(db, "succeed", schedule_time=LATER)
    await set_status(db, job_id, "Queued", ", priority = 3")
    job = await row(db, job_id)
    assert (job["status"], job["priority"], job["due_at"]) == ("Queued", 3, job["schedule_time"])


async def test_queued_to_in_progress_runs_now(db: Connection) -> None:
    job_id = await insert(db, "succeed", schedule_time=LATER)
    await set_status(db, job_id, "In Progress")
    assert (await settled(db, job_id))["status"] == "Completed"


async def test_queued_to_hold_is_held(db: Connection) -> None:
    async with db.transaction():  # it is not due before
        job_id = await insert(db, "succeed", schedule_time="now() + interval '100 ms'")
        await set_status(db, job_id, "Hold")
    later = await insert(db, "succeed", schedule_time="now() + interval '200 ms'")
    await settled(db, later)
    job = await row(db, job_id)
    assert (job["status"], job["execution_total"]) == ("Hold", 0)


@pytest.mark.parametrize("status", ENDS)
async def test_queued_to_an_end_is_cancelled(db: Connection, status: str) -> None:
    async with db.transaction():  # it is not due before
        job_id = await insert(db, "succeed", schedule_time="now() + interval '100 ms'")
        await set_status(db, job_id, status)
    await settled(db, await insert(db, "succeed", schedule_time="now() + interval '200 ms'"))
    job = await row(db, job_id)
    assert (job["status"], job["execution_total"]) == (status, 0)
    assert job["finished_at"] is not None
    assert job["message"] == f"set to {status} by postgres"


async def test_queued_row_with_an_earlier_time_runs_then(db: Connection) -> None:
    job_id = await insert(db, "succeed", schedule_time=LATER)
    await db.execute(
        "update asyncjob.job set schedule_time = now() + interval '100 ms' where id = $1", job_id
    )
    job = await settled(db, job_id)
    assert job["started_at"] >= job["schedule_time"]


# --- ready: the action is inactive, so nobody claims


async def test_ready_to_queued_waits_for_due_at(db: Connection) -> None:
    job_id = await insert(db, "asleep")
    await set_status(db, job_id, "Queued")
    assert (await row(db, job_id))["status"] == "In Progress"  # due_at has come: ready again
    await set_status(db, job_id, "Queued", f", schedule_time = {LATER}")
    job = await row(db, job_id)
    assert (job["status"], job["due_at"]) == ("Queued", job["schedule_time"])


async def test_ready_to_in_progress_changes_nothing(db: Connection) -> None:
    job_id = await insert(db, "asleep")
    before = await row(db, job_id)
    await set_status(db, job_id, "In Progress")
    after = await row(db, job_id)
    assert {**before, "now": None} == {**after, "now": None}


@pytest.mark.parametrize("status", ["Hold", *ENDS])
async def test_ready_to_hold_or_an_end_never_runs(db: Connection, status: str) -> None:
    job_id = await insert(db, "asleep")
    await set_status(db, job_id, status)
    assert (await row(db, job_id))["status"] == status


async def test_ready_row_with_a_future_time_waits_for_it(db: Connection) -> None:
    job_id = await insert(db, "asleep")
    await db.execute(f"update asyncjob.job set schedule_time = {LATER} where id = $1", job_id)
    assert (await row(db, job_id))["status"] == "Queued"


async def test_ready_row_with_another_name_runs(db: Connection) -> None:
    job_id = await insert(db, "asleep")
    await db.execute("update asyncjob.job set job_name = 'succeed' where id = $1", job_id)
    assert (await settled(db, job_id))["status"] == "Completed"


# --- running


async def test_running_to_queued_stops_the_handler_then_waits(db: Connection) -> None:
    job_id = await insert(db, "block")
    await running(db, job_id)
    await set_status(db, job_id, "Queued", f", schedule_time = {LATER}")
    job = await unowned(db, job_id, "Queued")
    assert (job["execution_count"], job["execution_total"], job["due_at"]) == (0, 1, job["schedule_time"])
    assert [e["status"] for e in await executions(db, job_id)] == ["stopped"]


async def test_running_to_queued_whose_time_has_come_runs_again(db: Connection) -> None:
    job_id = await insert(db, "block")
    first = await running(db, job_id)
    await set_status(db, job_id, "Queued")
    again = await until(db, job_id, lambda r: r["claim_token"] != first["claim_token"] and r["daemon_id"])
    assert (again["status"], again["execution_count"], again["execution_total"]) == ("In Progress", 1, 2)


async def test_running_to_in_progress_does_not_disturb_the_handler(
    db: Connection, daemon: DaemonProcess
) -> None:
    job_id = await insert(db, "block")
    before = await running(db, job_id)
    await set_status(db, job_id, "In Progress")
    await settled(db, await insert(db, "succeed"))
    after = await row(db, job_id)
    assert {**before, "now": None} == {**after, "now": None}
    assert not daemon.events("job.stopping", job_id=job_id)


async def test_running_to_hold_stops_the_handler(db: Connection, daemon: DaemonProcess) -> None:
    job_id = await insert(db, "block")
    await running(db, job_id)
    await set_status(db, job_id, "Hold")
    job = await unowned(db, job_id, "Hold")
    assert (job["execution_count"], job["last_execution_status"]) == (0, "stopped")
    daemon.wait_for("job.stopped", job_id=job_id)


@pytest.mark.parametrize("status", ENDS)
async def test_running_to_an_end_stops_the_handler_and_stays_as_set(db: Connection, status: str) -> None:
    job_id = await insert(db, "block")
    await running(db, job_id)
    await set_status(db, job_id, status)
    job = await unowned(db, job_id, status)
    assert job["message"] == f"set to {status} by postgres"
    assert [e["status"] for e in await executions(db, job_id)] == ["stopped"]


async def test_deleted_running_row_is_stopped(db: Connection, daemon: DaemonProcess) -> None:
    job_id = await insert(db, "block")
    await running(db, job_id)
    await db.execute("delete from asyncjob.job where id = $1", job_id)
    daemon.wait_for("job.disowned", job_id=job_id)
    daemon.wait_for("job.lost", job_id=job_id)


async def test_edit_of_a_running_row_leaves_its_owner_alone(db: Connection) -> None:
    job_id = await insert(db, "block")
    before = await running(db, job_id)
    await db.execute(
        f"update asyncjob.job set priority = 9, schedule_time = {LATER}, params = '[]' where id = $1", job_id
    )
    await settled(db, await insert(db, "succeed"))
    after = await row(db, job_id)
    assert (after["status"], after["claim_token"]) == ("In Progress", before["claim_token"])
    assert after["due_at"] == after["schedule_time"]  # not before that it starts again


async def test_status_toggled_in_one_transaction_never_runs_twice_at_once(db: Connection) -> None:
    job_id = await insert(db, "block")
    first = await running(db, job_id)
    async with db.transaction():
        await set_status(db, job_id, "Hold")
        await set_status(db, job_id, "In Progress")
        held = await row(db, job_id)
        assert held["daemon_id"] == first["daemon_id"]  # it keeps its owner until the handler has ended
    again = await until(db, job_id, lambda r: r["daemon_id"] and r["claim_token"] != first["claim_token"])
    assert again["execution_total"] == 2
    assert [e["status"] for e in await executions(db, job_id)] == ["stopped"]


async def test_stopped_thread_keeps_its_row_until_it_has_ended(
    db: Connection, daemon: DaemonProcess, tmp_path: Path
) -> None:
    file = tmp_path / "end"
    job_id = await insert(db, "block_in_thread", f'{{"file": "{file}"}}')
    owner = (await running(db, job_id))["daemon_id"]
    await set_status(db, job_id, "Hold")
    daemon.wait_for("job.stopping", job_id=job_id)
    await set_status(db, job_id, "In Progress")
    await settled(db, await insert(db, "succeed"))
    job = await row(db, job_id)
    assert (job["daemon_id"], job["execution_total"]) == (owner, 1)
    file.touch()
    job = await settled(db, job_id)
    assert (job["status"], job["execution_total"]) == ("Completed", 2)


# --- Hold


async def test_hold_to_queued_is_released_and_due_when_due_at_says(db: Connection) -> None:
    now, later = (
        await insert(db, "succeed", status="'Hold'"),
        await insert(db, "succeed", status="'Hold'", schedule_time=LATER),
    )
    await set_status(db, now, "Queued")
    await set_status(db, later, "Queued")
    assert (await settled(db, now))["status"] == "Completed"
    assert (await row(db, later))["status"] == "Queued"


async def test_hold_to_in_progress_runs_now(db: Connection) -> None:
    job_id = await insert(db, "succeed", status="'Hold'", schedule_time=LATER)
    await set_status(db, job_id, "In Progress")
    assert (await settled(db, job_id))["status"] == "Completed"


async def test_hold_to_hold_stays_held(db: Connection) -> None:
    job_id = await insert(db, "succeed", status="'Hold'")
    await set_status(db, job_id, "Hold")
    assert (await row(db, job_id))["status"] == "Hold"


@pytest.mark.parametrize("status", ENDS)
async def test_hold_to_an_end_is_cancelled(db: Connection, status: str) -> None:
    job_id = await insert(db, "succeed", status="'Hold'")
    await set_status(db, job_id, status)
    job = await row(db, job_id)
    assert (job["status"], job["execution_total"]) == (status, 0)


# --- Completed, Failed


@pytest.mark.parametrize("outcome", ["success", "fatal_error"])
@pytest.mark.parametrize("status", ["Queued", "In Progress"])
async def test_ended_row_runs_again_counted_anew(db: Connection, outcome: str, status: str) -> None:
    job_id = await insert(db, "answer", f'{{"answers": ["{outcome}", "success"]}}', max_execution_count="1")
    await settled(db, job_id)
    await set_status(db, job_id, status)
    job = await until(db, job_id, lambda r: r["execution_total"] == 2 and r["status"] == "Completed")
    assert (job["execution_count"], job["last_execution_status"]) == (1, "success")
    assert [(e["number"], e["status"]) for e in await executions(db, job_id)] == [(1, outcome)]


async def test_ended_row_with_a_future_time_runs_again_then(db: Connection) -> None:
    job_id = await insert(db, "succeed")
    await settled(db, job_id)
    await set_status(db, job_id, "Queued", f", schedule_time = {LATER}")
    job = await row(db, job_id)
    assert (job["status"], job["execution_count"], job["message"]) == ("Queued", 0, None)


async def test_ended_row_set_on_hold_stays_ended(db: Connection) -> None:
    job_id = await insert(db, "succeed")
    await settled(db, job_id)
    await set_status(db, job_id, "Hold")
    job = await row(db, job_id)
    assert (job["status"], job["message"]) == ("Completed", "done")


async def test_ended_row_can_be_corrected_without_running_again(db: Connection) -> None:
    job_id = await insert(db, "succeed")
    await settled(db, job_id)
    await set_status(db, job_id, "Failed")
    assert (await row(db, job_id))["status"] == "Failed"


# --- columns


async def test_orm_may_write_every_column_back_unchanged(db: Connection) -> None:
    job_id = await insert(db, "succeed", status="'Hold'")
    job = await db.fetchrow("select * from asyncjob.job where id = $1", job_id)
    columns = ", ".join(f"{name} = ${n}" for n, name in enumerate(job.keys(), 2))
    values = {**job, "status": "Queued"}
    await db.execute(f"update asyncjob.job set {columns} where id = $1", job_id, *values.values())
    assert (await settled(db, job_id))["status"] == "Completed"


@pytest.mark.parametrize(
    "change",
    [
        "daemon_id = 1",
        "claim_token = 1",
        "stop_requested = true",
        "execution_count = 0",
        "due_at = now()",
        "message = 'x'",
        "created_by = 'x'",
        "id = 999",
        "occurrence = 1",
    ],
)
async def test_client_that_changes_a_daemons_column_is_refused(db: Connection, change: str) -> None:
    job_id = await insert(db, "raises", retry_interval="interval '1 hour'")
    await unowned(db, job_id, "Queued")
    column = change.split(" ")[0]
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=f"belongs to the daemon: {column}"):
        await db.execute(f"update asyncjob.job set {change} where id = $1", job_id)


async def test_new_row_with_a_daemons_column_is_refused(db: Connection) -> None:
    with pytest.raises(
        asyncpg.InsufficientPrivilegeError, match="belongs to the daemon: claim_token, daemon_id"
    ):
        await insert(db, "succeed", daemon_id="1", claim_token="2")


@pytest.mark.parametrize(
    "columns",
    [
        {"finished_at": "'20000-01-01'"},
        {"started_at": "'-infinity'"},
        {"occurrence": "9223372036854775807"},
        {"progress": "'NaN'"},
        {"execution_count": "-7"},
        {"execution_total": "-1"},
    ],
)
async def test_history_that_nobody_could_read_or_go_on_with_is_refused(
    db: Connection, columns: dict[str, str]
) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="no such history"):
        await insert(db, "succeed", status="'Completed'", **columns)


async def test_new_row_with_an_occurrence_is_refused_unless_it_has_ended(db: Connection) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="belongs to the daemon: occurrence"):
        await insert(db, "succeed", occurrence="1")
    imported = await insert(db, "succeed", occurrence="3", status="'Completed'")
    await db.execute("update asyncjob.job set status = 'In Progress' where id = $1", imported)
    assert (await settled(db, imported))["occurrence"] == 4


async def test_id_chosen_by_a_client_is_refused_and_breaks_no_later_insert(db: Connection) -> None:
    last = await insert(db, "succeed", status="'Hold'")
    for job_id in (last + 1, 2**63 - 1, 0, -(2**63)):
        with pytest.raises(
            asyncpg.InsufficientPrivilegeError, match=f"job {job_id}: a client cannot write an id"
        ) as refused:
            await insert(db, "succeed", id=f"'{job_id}'")
        assert refused.value.hint == "Leave id out."
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=f"job {last + 1}: a client"):
        await db.copy_records_to_table(
            "job", schema_name="asyncjob", columns=["id", "job_name"],
            records=[(number, "succeed") for number in range(last + 1, last + 10)],
        )  # fmt: skip
    await db.execute("insert into asyncjob.job (job_name) select 'succeed' from generate_series(1, 20)")
    await db.execute("delete from asyncjob.job where id = $1", last)
    assert await insert(db, "succeed", id=str(last), status="'Hold'") == last  # nobody else gets it


@pytest.mark.parametrize("of_group", ["in role asyncjob_producer", ""])
async def test_orm_may_write_null_for_a_default(db: Connection, of_group: str) -> None:
    columns = await db.fetch(
        "select attname from pg_attribute where attrelid = 'asyncjob.job'::regclass and attnum > 0"
    )
    nulls = {name: "null" for (name,) in columns} | {"job_name": "'succeed'"}
    role = f"orm_{len(of_group)}"
    await db.execute(
        f"do $$ begin create role {role} {of_group}; exception when duplicate_object or unique_violation then null; end $$;"
        f"grant usage on schema asyncjob to {role}; grant select, insert on asyncjob.job to {role}; set role {role}"
    )
    job_id = await db.fetchval(
        f"insert into asyncjob.job ({', '.join(nulls)}) values ({', '.join(nulls.values())}) returning id"
    )
    job = await settled(db, job_id)
    assert (job["priority"], job["occurrence"], job["execution_total"], job["params"]) == (0, 0, 1, "{}")
    assert (job["status"], job["created_by"]) == ("Completed", "postgres")


async def test_null_does_not_let_a_client_write_a_daemons_column(db: Connection) -> None:
    with pytest.raises(
        asyncpg.InsufficientPrivilegeError, match="belongs to the daemon: claim_token, occurrence"
    ):
        await insert(db, "succeed", status="null", occurrence="1", claim_token="1")


async def test_copy_starts_every_row(db: Connection) -> None:
    await db.copy_records_to_table(
        "job", schema_name="asyncjob", columns=["job_name", "params"], records=[("succeed", "{}")] * 300
    )
    last = await db.fetchval("select max(id) from asyncjob.job")
    await until(db, last, lambda r: r["status"] == "Completed")


async def test_insert_rolled_back_never_runs(db: Connection, daemon: DaemonProcess) -> None:
    transaction = db.transaction()
    await transaction.start()
    job_id = await insert(db, "succeed")
    await transaction.rollback()
    await settled(db, await insert(db, "succeed"))
    assert not daemon.events("job.started", job_id=job_id)


async def test_unique_key_raced_by_twelve_inserters_is_held_by_one(db: Connection, dsn: str) -> None:
    connections = await asyncio.gather(*(asyncpg.connect(dsn) for _ in range(12)))
    insert_one = "insert into asyncjob.job (job_name, unique_key) values ('block', 'k') on conflict do nothing returning id"
    ids = await asyncio.gather(*(connection.fetchval(insert_one) for connection in connections))
    (winner,) = [job_id for job_id in ids if job_id is not None]
    before = await running(db, winner)
    assert await connections[0].fetchval(insert_one) is None
    assert (await row(db, winner))["claim_token"] == before["claim_token"]  # the running job is not reset
    await set_status(db, winner, "Failed")
    await settled(db, winner)
    assert await connections[0].fetchval(insert_one) is not None
    await asyncio.gather(*(connection.close() for connection in connections))


async def test_notification_that_asks_for_no_stop_stops_nothing(
    db: Connection, daemon: DaemonProcess
) -> None:
    """Every role that may connect may notify."""
    before = len(daemon.events())
    job_id = await insert(db, "block")
    job = await running(db, job_id)
    for payload in (
        "stop",
        f"stop {job_id} {job['claim_token']}",
        "due x",
        "due 1e999",
        "due nan",
        "ready\0",
        "",
    ):
        for channel in ("asyncjob", f"asyncjob:{job['daemon_id']}"):
            await db.execute("select pg_notify($1, $2)", channel, payload.replace("\0", " x"))
    other = await insert(db, "block")
    await running(db, other)
    await set_status(db, other, "Failed")
    await settled(db, other)
    assert (await row(db, job_id))["claim_token"] == job["claim_token"]
    assert not daemon.events("job.stopping", job_id=job_id)
    assert not [event for event in daemon.events()[before:] if event["level"] == "error"]


@pytest.mark.parametrize("columns", ["message = 'x'", "occurrence = 9"])
async def test_statement_that_poses_as_the_engine_is_refused(db: Connection, columns: str) -> None:
    job_id = await insert(db, "succeed", status="'Hold'")
    await db.execute(
        "do $$ begin create role sly in role asyncjob_producer; exception when duplicate_object or unique_violation then null; end $$"
    )
    async with db.transaction():
        await db.execute("set local role sly")
        with pytest.raises(
            asyncpg.InsufficientPrivilegeError, match="a client cannot write what belongs to the daemon"
        ):
            async with db.transaction():
                await db.execute(
                    f"update asyncjob.job set {columns}"
                    " where id = $1 and set_config('asyncjob.engine', 'on', true) = 'on'",
                    job_id,
                )
