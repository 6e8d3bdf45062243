"""Jobs that wait for jobs: what a client writes, and what becomes of it."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.conftest import NewDaemon
from tests.support.daemon import DaemonProcess
from tests.support.jobs import Connection, Row, insert, row, running, set_status, settled, unowned, until

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("module_daemon")]

FAILS = '{"answers": ["fatal_error"]}'
STATUSES = ["Queued", "In Progress", "Hold", "Completed", "Failed"]


@pytest.fixture
def dsn(module_dsn: str) -> str:
    """All tests share the module's database, as they share its daemon."""
    return module_dsn


@pytest.fixture
async def gate(tmp_path: Path) -> Path:
    """A file for which handlers of block_in_thread wait."""
    return tmp_path / "gate"


async def blocked(db: Connection, gate: Path, **columns: str) -> int:
    """Start a job that runs until the gate exists."""
    job_id = await insert(db, "block_in_thread", f'{{"file": "{gate}"}}', **columns)
    await running(db, job_id)
    return job_id


async def waits(db: Connection, *needed: int, job_name: str = "succeed", **columns: str) -> int:
    return await insert(db, job_name, waits_for=f"array{list(needed)}::bigint[]", **columns)


async def waiting(db: Connection, job_id: int, watch: int) -> Row:
    return await until(db, job_id, lambda r: r["status"] == "Queued" and r["waits_on"] == watch)


async def ended_before(db: Connection, first: int, second: int) -> bool:
    """Return whether one job had ended before the other one started."""
    return bool((await row(db, first))["finished_at"] <= (await row(db, second))["started_at"])


async def test_job_starts_after_all_that_it_waits_for(db: Connection, gate: Path) -> None:
    slow, quick = await blocked(db, gate), await insert(db, "succeed")
    later = await waits(db, quick, slow)
    assert (await waiting(db, later, slow))["due_at"].replace(tzinfo=None).year == 9999
    gate.touch()
    assert (await settled(db, later))["status"] == "Completed"
    assert await ended_before(db, slow, later)
    assert (await row(db, later))["waits_on"] is None


async def test_job_that_waits_for_what_has_ended_starts_at_once(db: Connection) -> None:
    ended = [await insert(db, "succeed"), await insert(db, "succeed")]
    for job_id in ended:
        await settled(db, job_id)
    assert (await settled(db, await waits(db, *ended)))["status"] == "Completed"
    assert (await settled(db, await waits(db)))["status"] == "Completed"


async def test_chain_of_one_statement_runs_in_its_order(db: Connection) -> None:
    ids = await db.fetch("""
        with first as (insert into asyncjob.job (job_name) values ('succeed') returning id),
             second as (insert into asyncjob.job (job_name, waits_for)
                        select 'succeed', array[id] from first returning id),
             third as (insert into asyncjob.job (job_name, waits_for)
                       select 'succeed', array[id] from second returning id)
        select id from first union all select id from second union all select id from third
    """)
    first, second, third = (each["id"] for each in ids)
    await settled(db, third)
    assert await ended_before(db, first, second)
    assert await ended_before(db, second, third)


async def test_parent_starts_after_its_children(db: Connection) -> None:
    parent = await db.fetchval("""
        with parent as (insert into asyncjob.job (job_name, waits_for_children) values ('succeed', true)
                        returning id),
             children as (insert into asyncjob.job (job_name, parent_id, params)
                          select 'sleeps', parent.id, '{"seconds": 0.01}' from parent, generate_series(1, 300))
        select id from parent
    """)
    assert (await settled(db, parent))["status"] == "Completed"
    ended = await db.fetchrow(
        "select count(*), max(finished_at) as last from asyncjob.job where parent_id = $1 and status = 'Completed'",
        parent,
    )
    assert ended["count"] == 300
    assert ended["last"] <= (await row(db, parent))["started_at"]


async def test_parent_on_hold_waits_for_children_of_several_transactions(db: Connection, gate: Path) -> None:
    parent = await insert(db, "succeed", status="'Hold'", waits_for_children="true")
    children = [await blocked(db, gate, parent_id=str(parent)) for _ in range(2)]
    await set_status(db, parent, "Queued")
    await waiting(db, parent, max(children))
    late = await blocked(db, gate, parent_id=str(parent))
    gate.touch()
    await settled(db, parent)
    for child in (*children, late):
        assert await ended_before(db, child, parent)


async def test_parent_without_children_starts_at_once(db: Connection) -> None:
    assert (await settled(db, await insert(db, "succeed", waits_for_children="true")))[
        "status"
    ] == "Completed"


async def test_a_time_and_a_job_are_both_waited_for(db: Connection, gate: Path) -> None:
    needed = await blocked(db, gate)
    later = await waits(db, needed, schedule_time="now() + interval '1 hour'")
    await waiting(db, later, needed)
    gate.touch()
    found = await until(db, later, lambda r: r["waits_on"] is None)
    assert found["status"] == "Queued"
    assert found["due_at"] == found["schedule_time"]


@pytest.mark.parametrize("by_children", [False, True])
@pytest.mark.parametrize(
    ("when_failed", "status", "text"),
    [
        ("null", "Failed", "job {}, which it waited for, has failed"),
        ("'Failed'", "Failed", "job {}, which it waited for, has failed"),
        ("'Hold'", "Hold", None),
        ("'Completed'", "Completed", "skipped: job {}, which it waited for, has failed"),
        ("'In Progress'", "Completed", "done"),
    ],
)
async def test_failure_of_one_decides_at_once(
    db: Connection, gate: Path, when_failed: str, status: str, text: str | None, *, by_children: bool
) -> None:
    parent = await insert(db, "succeed", status="'Hold'", waits_for_children="true", when_failed=when_failed)
    mine = {"parent_id": str(parent)} if by_children else {}
    fails = await insert(db, "answer", FAILS, status="'Hold'", **mine)
    slow = await blocked(db, gate, **mine)
    if by_children:
        await set_status(db, parent, "Queued")
        later = parent
    else:
        later = await waits(db, fails, slow, when_failed=when_failed)
    await waiting(db, later, slow)
    await set_status(db, fails, "Queued")
    found = await until(db, later, lambda r: r["status"] == status)
    assert found["message"] == (text and text.format(fails))
    assert (await row(db, slow))["daemon_id"] is not None
    if status == "Hold":
        assert found["hold_reason"] == f"job {fails}, which it waited for, has failed"
    elif status != "Queued":
        assert found["waits_on"] is None
    gate.touch()
    await settled(db, slow)


@pytest.mark.parametrize("by_children", [False, True])
async def test_job_that_bears_failures_waits_for_all_others(
    db: Connection, gate: Path, *, by_children: bool
) -> None:
    parent = await insert(db, "succeed", status="'Hold'", waits_for_children="true", when_failed="'Queued'")
    mine = {"parent_id": str(parent)} if by_children else {}
    fails = await insert(db, "answer", FAILS, **mine)
    slow = await blocked(db, gate, **mine)
    if by_children:
        await set_status(db, parent, "Queued")
        later = parent
    else:
        later = await waits(db, fails, slow, when_failed="'Queued'")
    await settled(db, fails)
    await waiting(db, later, slow)
    gate.touch()
    assert (await settled(db, later))["message"] == "done"
    assert await ended_before(db, slow, later)


async def test_failure_goes_down_the_graph(db: Connection) -> None:
    first = await insert(db, "answer", FAILS, status="'Hold'")
    second = await waits(db, first)
    third = await waits(db, second)
    bears = await waits(db, second, when_failed="'Queued'")
    await set_status(db, first, "Queued")
    assert (await settled(db, third))["message"] == f"job {second}, which it waited for, has failed"
    assert (await settled(db, bears))["status"] == "Completed"


async def test_held_job_looks_anew_when_it_is_released(db: Connection, gate: Path) -> None:
    fails = await insert(db, "answer", '{"answers": ["fatal_error", "success"]}')
    later = await waits(db, fails, when_failed="'Hold'")
    await unowned(db, later, "Hold")
    await set_status(db, later, "Queued")
    await until(db, later, lambda r: r["hold_reason"] is not None)  # it has failed still
    slow = await blocked(db, gate)
    await db.execute(
        "update asyncjob.job set waits_for = array[$2, $3]::bigint[] where id = $1", later, fails, slow
    )
    await set_status(db, fails, "Queued")
    await settled(db, fails)
    await set_status(db, later, "Queued")
    await waiting(db, later, slow)
    gate.touch()
    assert (await settled(db, later))["status"] == "Completed"


async def test_retry_is_open_until_the_last_try(db: Connection) -> None:
    needed = await insert(
        db, "answer", '{"answers": ["retry_soon", "retry_soon", "success"]}', retry_interval="'1 s'"
    )
    later = await waits(db, needed)
    await settled(db, later)
    assert (await row(db, needed))["execution_total"] == 3
    assert await ended_before(db, needed, later)


@pytest.mark.parametrize("status", STATUSES)
async def test_client_writes_the_status_of_a_job_that_waits(db: Connection, gate: Path, status: str) -> None:
    needed = await blocked(db, gate)
    later = await waits(db, needed)
    await waiting(db, later, needed)
    await set_status(db, later, status)
    found = await row(db, later)
    if status == "Queued":
        assert found["waits_on"] == needed
    elif status == "In Progress":  # run now
        assert (await settled(db, later))["message"] == "done"
        assert (await row(db, needed))["daemon_id"] is not None
    elif status == "Hold":
        gate.touch()
        await settled(db, needed)
        assert (await row(db, later))["status"] == "Hold"
        await set_status(db, later, "Queued")
        assert (await settled(db, later))["message"] == "done"
    else:
        assert (found["status"], found["waits_on"]) == (status, None)
    gate.touch()


@pytest.mark.parametrize("status", [*STATUSES, "deleted"])
async def test_client_writes_the_status_of_a_job_that_is_waited_for(
    db: Connection, gate: Path, status: str
) -> None:
    needed = await insert(db, "succeed", status="'Hold'")
    later = await waits(db, needed, when_failed="'Queued'")
    await waiting(db, later, needed)
    if status == "deleted":
        await db.execute("delete from asyncjob.job where id = $1", needed)
    else:
        await set_status(db, needed, status)
    if status == "Hold":
        await waiting(db, later, needed)
        await set_status(db, needed, "Queued")
    assert (await settled(db, later))["message"] == "done"


async def test_stop_of_a_running_job_is_its_end(db: Connection, gate: Path) -> None:
    needed = await blocked(db, gate)
    later = await waits(db, needed)
    await waiting(db, later, needed)
    await set_status(db, needed, "Failed")
    assert (await settled(db, later))["message"] == f"job {needed}, which it waited for, has failed"
    gate.touch()


async def test_job_that_runs_again_waits_again(db: Connection, gate: Path) -> None:
    needed = await insert(db, "succeed")
    later = await waits(db, needed)
    await settled(db, later)
    slow = await blocked(db, gate)
    await db.execute("update asyncjob.job set waits_for = array[$2]::bigint[] where id = $1", later, slow)
    await set_status(db, later, "Queued")
    await waiting(db, later, slow)
    await set_status(db, later, "In Progress")
    await settled(db, later)
    gate.touch()


@pytest.mark.parametrize("is_recursive", ["false", "true"])
async def test_running_job_that_is_set_queued_waits_before_it_runs_again(
    db: Connection, gate: Path, tmp_path: Path, is_recursive: str
) -> None:
    own_gate = tmp_path / "own"
    needed = await blocked(db, gate)
    later = await blocked(db, own_gate, is_recursive=is_recursive, retry_interval="interval '1 hour'")
    await db.execute(
        "update asyncjob.job set status = 'Queued', waits_for = array[$2]::bigint[] where id = $1",
        later,
        needed,
    )
    own_gate.touch()
    found = await until(db, later, lambda r: r["daemon_id"] is None and r["waits_on"] == needed)
    assert (found["status"], found["last_execution_status"]) == ("Queued", "success")
    gate.touch()
    await until(db, later, lambda r: r["execution_total"] == 2 and r["daemon_id"] is None)
    assert await ended_before(db, needed, later)


async def test_deleted_job_may_stay_in_the_list(db: Connection, gate: Path) -> None:
    deleted, needed = await insert(db, "succeed", status="'Hold'"), await blocked(db, gate)
    later = await waits(db, deleted)
    await db.execute("update asyncjob.job set status = 'Hold' where id = $1", later)
    await db.execute("delete from asyncjob.job where id = $1", deleted)
    await db.execute(
        "update asyncjob.job set waits_for = waits_for || $2::bigint where id = $1", later, needed
    )
    await set_status(db, later, "Queued")
    await waiting(db, later, needed)
    gate.touch()
    assert (await settled(db, later))["message"] == "done"


async def test_child_that_gets_its_parent_later_makes_no_circle(db: Connection) -> None:
    parent = await insert(db, "succeed", status="'Hold'", waits_for_children="true")
    child = await waits(db, parent, status="'Hold'")
    circle = await refusal(db, "update asyncjob.job set parent_id = $2 where id = $1", child, parent)
    assert circle.args[0] == f"asyncjob.job {child}: it would wait for itself"


async def test_edit_of_what_a_job_waits_for_looks_anew(db: Connection, gate: Path) -> None:
    needed = await blocked(db, gate)
    later = await waits(db, needed, schedule_time="now() + interval '1 hour'")
    await waiting(db, later, needed)
    await db.execute("update asyncjob.job set schedule_time = null where id = $1", later)
    await waiting(db, later, needed)
    await db.execute("update asyncjob.job set waits_for = null where id = $1", later)
    assert (await settled(db, later))["message"] == "done"
    gate.touch()


async def test_recursive_job_waits_before_its_first_occurrence_only(db: Connection, gate: Path) -> None:
    needed = await blocked(db, gate)
    later = await waits(db, needed, is_recursive="true", retry_interval="interval '50 ms'")
    await waiting(db, later, needed)
    gate.touch()
    await until(db, later, lambda r: r["occurrence"] >= 3)
    await set_status(db, later, "Completed")
    await settled(db, later)


async def refusal(db: Connection, statement: str, *arguments: Any) -> asyncpg.PostgresError:
    with pytest.raises(asyncpg.PostgresError) as raised:
        await db.execute(statement, *arguments)
    return raised.value


async def test_what_nobody_can_wait_for_is_refused(db: Connection) -> None:
    insertion = "insert into asyncjob.job (job_name, waits_for) values ('succeed', $1::bigint[])"
    missing = await refusal(db, insertion, [10**15, 10**15 + 1])
    assert isinstance(missing, asyncpg.ForeignKeyViolationError)
    assert str(missing) == (
        "asyncjob.job: waits_for names jobs that do not exist: 1000000000000000, 1000000000000001"
    )
    for value, said in (
        ([1, None], "must have no null in it, and is [1, null]"),
        ([[1], [2]], "must be a list of at most 10000 ids, and is [[1], [2]]"),
        (list(range(10001)), "must be a list of at most 10000 ids, and is [0, 1, "),
    ):
        wrong = await refusal(db, insertion, value)
        assert isinstance(wrong, asyncpg.CheckViolationError)
        assert str(wrong).startswith(f"asyncjob.job: waits_for {said}")
    denied = await refusal(db, "insert into asyncjob.job (job_name, waits_on) values ('succeed', 1)")
    assert "what belongs to the daemon: waits_on" in str(denied)


async def test_circles_are_refused(db: Connection) -> None:
    first = await insert(db, "succeed", status="'Hold'")
    second = await waits(db, first, status="'Hold'")
    third = await waits(db, second, status="'Hold'")
    parent = await insert(db, "succeed", status="'Hold'", waits_for_children="true")
    edits = [(first, first), (first, third), (first, second)]
    for job_id, needed in edits:
        circle = await refusal(
            db, "update asyncjob.job set waits_for = array[$2]::bigint[] where id = $1", job_id, needed
        )
        assert circle.args[0] == f"asyncjob.job {job_id}: it would wait for itself"
    child = await refusal(
        db,
        "insert into asyncjob.job (job_name, parent_id, waits_for) values ('succeed', $1, array[$1]::bigint[])",
        parent,
    )
    assert child.args[0].endswith(": it would wait for itself")
    own_child = await refusal(
        db,
        "with own as materialized (select nextval('asyncjob.job_id_seq') as id)"
        " insert into asyncjob.job (id, job_name, parent_id, waits_for_children)"
        " select own.id, 'succeed', own.id, true from own",
    )
    assert own_child.args[0].endswith(": it would wait for itself")


async def test_child_that_a_client_takes_away_is_waited_for_no_more(
    db: Connection, start_daemon: NewDaemon
) -> None:
    start_daemon(lease="1 s").ready()  # it looks often, which the other one does not
    for needed in ("null", "array[child.id]"):
        parent = await insert(db, "succeed", waits_for_children="true", status="'Hold'")
        child = await insert(db, "succeed", parent_id=str(parent), status="'Hold'")
        await db.execute(
            f"update asyncjob.job set status = 'Queued', waits_for = {needed} from (select $2::bigint) as child (id)"
            " where job.id = $1", parent, child,
        )  # fmt: skip
        await waiting(db, parent, child)
        await db.execute("update asyncjob.job set parent_id = null where id = $1", child)
        if needed == "null":
            assert (await settled(db, parent))["status"] == "Completed"
    other = await insert(db, "succeed", waits_for_children="true", status="'Hold'")
    await insert(db, "succeed", parent_id=str(other), status="'Hold'")
    await db.execute("update asyncjob.job set parent_id = null where parent_id = $1", other)
    await set_status(db, other, "Queued")
    await settled(db, other)
    assert (await row(db, parent))["waits_on"] == child  # which it names, too


async def test_tree_is_cancelled(db: Connection, gate: Path) -> None:
    root = await insert(db, "succeed", waits_for_children="true", status="'Hold'")
    child = await insert(db, "succeed", waits_for_children="true", parent_id=str(root), status="'Hold'")
    runs = await blocked(db, gate, parent_id=str(child))
    ended = await insert(db, "succeed", parent_id=str(child))
    await settled(db, ended)
    await set_status(db, child, "Queued")
    await set_status(db, root, "Queued")
    await waiting(db, root, child)
    assert await db.fetchval("select asyncjob.cancel_tree($1)", root) == 3
    assert await db.fetchval("select asyncjob.cancel_tree($1)", root) == 0
    assert (await row(db, runs))["stop_requested"]
    gate.touch()
    assert [(await settled(db, each))["status"] for each in (root, child, runs, ended)] == [
        "Failed", "Failed", "Failed", "Completed",
    ]  # fmt: skip


async def test_locked_row_goes_on_once_it_is_free(db: Connection, dsn: str, gate: Path) -> None:
    needed = await blocked(db, gate)
    later = await waits(db, needed)
    await waiting(db, later, needed)
    other = await asyncpg.connect(dsn)
    async with other.transaction():
        await other.execute("select from asyncjob.job where id = $1 for update", later)
        gate.touch()
        await settled(db, needed)
        assert (await row(db, later))["waits_on"] == needed
    assert (await settled(db, later))["message"] == "done"
    await other.close()


async def test_row_that_cannot_be_written_is_set_aside_and_others_go_on(db: Connection, gate: Path) -> None:
    needed = await blocked(db, gate)
    ids = [await waits(db, needed) for _ in range(5)]
    await db.execute(f"""
        create function refuse() returns trigger language plpgsql as
            $$ begin if new.status = 'In Progress' then raise exception 'not this one'; end if; return new; end $$;
        create trigger refuse before update on asyncjob.job for each row when (old.id = {ids[2]})
            execute function refuse();
    """)
    try:
        await waiting(db, ids[-1], needed)
        gate.touch()
        held = await until(db, ids[2], lambda r: r["status"] == "Hold")
        assert "not this one" in held["hold_reason"]
        for job_id in ids[:2] + ids[3:]:
            assert (await settled(db, job_id))["message"] == "done"
    finally:
        await db.execute("drop trigger refuse on asyncjob.job; drop function refuse")


async def test_many_wait_for_one(db: Connection, module_daemon: DaemonProcess) -> None:
    needed = await insert(db, "succeed", status="'Hold'")
    await db.execute(
        "insert into asyncjob.job (job_name, waits_for) select 'succeed', array[$1]::bigint[] from generate_series(1, 3500)",
        needed,
    )
    await set_status(db, needed, "Queued")
    deadline = asyncio.get_running_loop().time() + 60
    left = "select count(*) from asyncjob.job where waits_for = array[$1]::bigint[] and status <> 'Completed'"
    while await db.fetchval(left, needed):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)
