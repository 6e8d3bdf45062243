"""The graph of a job: its children, and what they and it wait for, however far away that is."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from asyncjobd.web import page
from asyncjobd.web.pages import graph, schedule
from asyncjobd.web.transactions import Transactions
from tests.support.jobs import Connection, as_engine, insert

pytestmark = pytest.mark.anyio


@pytest.fixture
async def transactions(dsn: str) -> AsyncIterator[Transactions]:
    async with Transactions.connect(dsn) as transactions:
        yield transactions


async def look(transactions: Transactions, job_id: int) -> graph.GraphModel:
    async with transactions.reading() as reading:
        return await graph.graph(page.Asked(reading.fetch, {"job_id": job_id}, {}, datetime.now(UTC)))


def lines(model: graph.GraphModel) -> set[tuple[int, int, bool]]:
    """Return the arrows as (from, to, waits)."""
    left = {(node.x, node.y + model.box_height // 2): node.id for node in model.nodes}
    right = {(node.x + model.box_width, node.y + model.box_height // 2): node.id for node in model.nodes}
    found = set()
    for curve, waits in model.arrows:
        start, _, end = curve[1:].partition("C")
        x, y = end.split()[-2:]
        found.add((right[tuple(map(int, start.split()))], left[int(x), int(y)], waits))  # type: ignore[index]
    return found


async def test_it_has_children_and_whatever_these_need(db: Connection, transactions: Transactions) -> None:
    far = await insert(db, "far", status="'Hold'")
    near = await insert(db, "near", waits_for=f"array[{far}::bigint]")
    root = await insert(db, "root", status="'Hold'", waits_for_children="true")
    child = await insert(db, "child", parent_id=str(root), waits_for=f"array[{near}::bigint]")
    await insert(db, "stranger", status="'Hold'")
    model = await look(transactions, root)
    assert {node.title: node.needs for node in model.nodes} == {
        "far": [], "near": [far], "root": [child], "child": [near],
    }  # fmt: skip
    assert lines(model) == {(far, near, True), (near, child, True), (child, root, True)}


async def test_child_for_which_nobody_waits_is_drawn_as_a_child(
    db: Connection, transactions: Transactions
) -> None:
    root = await insert(db, "root", status="'Hold'")
    child = await insert(db, "child", parent_id=str(root), status="'Hold'")
    assert lines(await look(transactions, root)) == {(root, child, False)}


async def test_jobs_that_wait_for_each_other_are_shown(db: Connection, transactions: Transactions) -> None:
    one = await insert(db, "one", status="'Hold'")
    other = await insert(db, "other", waits_for=f"array[{one}::bigint]")
    await as_engine(db, f"update asyncjob.job set waits_for = array[{other}::bigint] where id = {one}")
    model = await look(transactions, one)
    assert {node.id: node.needs for node in model.nodes} == {one: [other], other: [one]}


async def test_graph_of_very_many_is_cut(db: Connection, transactions: Transactions) -> None:
    root = await insert(db, "root", status="'Hold'")
    await db.execute(
        "insert into asyncjob.job (job_name, status, parent_id) select 'child', 'Hold', $1 from generate_series(1, 300)",
        root,
    )
    model = await look(transactions, root)
    assert len(model.nodes) == graph.MOST_JOBS and not model.is_all
    assert model.nodes[0].id == root


async def test_job_that_is_waited_for_is_shown_before_all_children(
    db: Connection, transactions: Transactions
) -> None:
    needed = await insert(db, "needed", status="'Hold'")
    root = await insert(db, "root", waits_for=f"array[{needed}::bigint]")
    await db.execute(
        "insert into asyncjob.job (job_name, status, parent_id) select 'child', 'Hold', $1 from generate_series(1, 300)",
        root,
    )
    model = await look(transactions, root)
    assert needed in {node.id for node in model.nodes} and not model.is_all


async def test_jobs_that_were_deleted_are_not_shown(db: Connection, transactions: Transactions) -> None:
    ids = [await insert(db, "needed", status="'Hold'") for _ in range(3)]
    root = await insert(db, "root", waits_for=f"array{ids}::bigint[]")
    await db.execute("update asyncjob.job set status = 'Failed' where id = any ($1::bigint[])", ids[:2])
    await db.execute("delete from asyncjob.job where id = any ($1::bigint[])", ids[:2])
    model = await look(transactions, root)
    assert {node.id: node.needs for node in model.nodes} == {ids[2]: [], root: [ids[2]]}
    assert model.is_all


async def test_unseen_characters_of_a_name_stay_in_their_box(
    db: Connection, transactions: Transactions
) -> None:
    job_id = await insert(db, "\u202e" * 100, status="'Hold'")
    (node,) = (await look(transactions, job_id)).nodes
    assert node.name.startswith("\\u202e") and len(node.name) == graph.LONGEST_NAME


async def test_missing_job_is_told(transactions: Transactions) -> None:
    with pytest.raises(page.NotFound):
        await look(transactions, 4711)


async def test_jobs_are_counted_by_when_they_are_due(db: Connection, transactions: Transactions) -> None:
    await db.execute(
        "insert into asyncjob.job (job_name, schedule_time) select 'n', now() + wait::interval from unnest(array["
        "'1 s', '90 s', '100 s', '61 min', '23 h', '2 days']) as wait"
    )
    await as_engine(
        db, "update asyncjob.job set due_at = now() - interval '1 h' where due_at < now() + interval '1 min'"
    )
    async with transactions.reading() as reading:
        model = await schedule.schedule(page.Asked(reading.fetch, {}, {}, datetime.now(UTC)))
    minutes, hours = (chart.numbers for chart in model.due)
    assert (sum(minutes[:3]), sum(minutes), sum(hours), hours[1]) == (3, 3, 5, 1)
    assert model.counted_for is None


async def test_only_so_many_due_jobs_are_counted(
    db: Connection, transactions: Transactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "MOST_DUE", 3)
    await db.execute(
        "insert into asyncjob.job (job_name, schedule_time) select 'n', now() + n * interval '10 min'"
        " from generate_series(1, 5) as n"
    )
    async with transactions.reading() as reading:
        model = await schedule.schedule(page.Asked(reading.fetch, {}, {}, datetime.now(UTC)))
    assert sum(model.due[0].numbers) == 3 and model.counted_for in {29, 30, 31}
