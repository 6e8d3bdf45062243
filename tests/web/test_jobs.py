"""Lists of jobs: each page goes on where the last one ended, in every status, and a search says how far it has come."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from asyncjobd.monitoring.overview import Observer
from asyncjobd.web import page
from asyncjobd.web.pages import jobs
from asyncjobd.web.transactions import Transactions
from tests.support.jobs import Connection, as_engine, insert

pytestmark = pytest.mark.anyio

NUMBER = 130  # jobs, more than two pages have
ROWS = {
    "Queued": "select name, 'Queued', null::bigint, now() + n % 7 * interval '1 hour', null::timestamptz, null::timestamptz",
    "ready": "select name, 'In Progress', null::bigint, now(), null::timestamptz, null::timestamptz",
    "running": "select name, 'In Progress', 1, now(), now() - n % 7 * interval '1 s', null::timestamptz",
    "Hold": "select name, 'Hold', null::bigint, now(), null::timestamptz, case when n % 3 = 0 then now() end",
    "Failed": "select name, 'Failed', null::bigint, now(), null::timestamptz, now() - n % 7 * interval '1 s'",
    "Completed": "select name, 'Completed', null::bigint, now(), null::timestamptz, now()",
}


@pytest.fixture
async def transactions(dsn: str) -> AsyncIterator[Transactions]:
    async with Transactions.connect(dsn) as transactions:
        yield transactions


async def look(transactions: Transactions, **query: str) -> jobs.JobsModel:
    async with transactions.reading() as reading:
        overview = await Observer(reading.fetch).look()
        return await jobs.jobs(page.Asked(reading.fetch, {}, query, datetime.now(UTC), overview=overview))


@pytest.mark.parametrize("name", ["", "name:a ", "name:* "])
@pytest.mark.parametrize("state", ROWS)
async def test_pages_have_each_job_once(
    db: Connection, transactions: Transactions, state: str, name: str
) -> None:
    await as_engine(
        db,
        "insert into asyncjob.job (job_name, status, daemon_id, due_at, started_at, finished_at)"
        " select name, status::asyncjob.status, daemon_id, due_at, started_at, finished_at"
        f" from generate_series(1, {NUMBER}) as n cross join lateral (select case when n % 2 = 0 then 'a' else 'b' end) as named (name)"
        f" cross join lateral ({ROWS[state]}) as made (name_, status, daemon_id, due_at, started_at, finished_at)",
    )
    wanted = [
        row["id"]
        for row in await db.fetch("select id from asyncjob.job where $1 or job_name = 'a'", name != "name:a ")
    ]
    found: list[int] = []
    before: dict[str, str] = {}
    while True:
        seen = await look(transactions, q=f"{name}status:{state}", **before)
        found += [row["id"] for row in seen.jobs]
        assert all(row["state"] == state for row in seen.jobs)
        if seen.further is None:
            break
        before = {"before": seen.further}
    assert sorted(found) == sorted(wanted)
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    "change", ["update asyncjob.job set status = 'Completed' where id", "delete from asyncjob.job where id"]
)
@pytest.mark.parametrize("state", ["Queued", "ready", "Hold", "Failed"])
async def test_list_goes_on_after_a_job_that_is_not_in_it_any_more(
    db: Connection, transactions: Transactions, state: str, change: str
) -> None:
    columns = {"Queued": "'Queued', now() + n * interval '1 hour'", "ready": "'In Progress', null"}
    values = columns.get(state, f"'{state}', null")
    await db.execute(
        "insert into asyncjob.job (job_name, status, schedule_time)"
        f" select 'a, b', {values} from generate_series(1, {NUMBER}) as n"
    )
    first = await look(transactions, q=f"status:{state}")
    assert first.further is not None
    before = await look(transactions, q=f"status:{state}", before=first.further)
    await as_engine(db, f"{change} = {first.jobs[-1]['id']}")
    after = await look(transactions, q=f"status:{state}", before=first.further)
    assert [row["id"] for row in after.jobs] == [row["id"] for row in before.jobs]
    assert len(after.jobs) == jobs.MOST_ROWS


async def test_place_of_another_list_is_refused(transactions: Transactions) -> None:
    for state, place in (("ready", "7"), ("Queued", "7,x"), ("Failed", "7"), ("running", "7,-1,a")):
        with pytest.raises(page.Unclear, match="a place in this list"):
            await look(transactions, q=f"status:{state}", before=place)


async def test_spaces_of_a_text_are_searched_for_as_they_are(
    db: Connection, transactions: Transactions
) -> None:
    job_id = await insert(db, "two  spaces", status="'Hold'")
    assert [row["id"] for row in (await look(transactions, q=' name:"two  spaces" ')).jobs] == [job_id]


async def test_search_says_how_far_it_has_come(
    db: Connection, transactions: Transactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "WIDTH", 10)
    monkeypatch.setattr(jobs, "LONGEST_SEARCH", 0.0)
    wanted = await insert(db, "wanted", '{"to": {"name": "a@b.c"}}', status="'Hold'")
    for _ in range(15):
        await insert(db, "other", status="'Hold'")
    first = await look(transactions, q="params.to.name:a@b.c")
    assert (first.jobs, first.further, first.reached) == ([], "7", 7)
    assert first.reached_at is not None
    second = await look(transactions, q="params.to.name:a@b.c", before="7")
    assert [row["id"] for row in second.jobs] == [wanted]
    assert (await look(transactions, q="params.to.name:a@b.c", before=str(wanted))).further is None


async def test_tabs_count_the_jobs_of_the_names(db: Connection, transactions: Transactions) -> None:
    await insert(db, "one", status="'Hold'")
    await insert(db, "two", status="'Hold'")
    tabs = {tab.title: tab.number for tab in (await look(transactions, q="name:t*")).tabs}
    assert tabs["Hold"] == "1"
    asked = {tab.title: tab.number for tab in (await look(transactions, q="name:o?e")).tabs}
    assert asked["Hold"] == "0"  # only * stands for any text
    searched = {tab.title: tab.number for tab in (await look(transactions, q="name:t* since:1h")).tabs}
    assert set(searched.values()) == {""}


async def test_number_leads_to_its_job(transactions: Transactions) -> None:
    with pytest.raises(page.Moved, match="/jobs/42"):
        await look(transactions, q=" 42 ")


async def test_selection_that_cannot_be_read_says_why(transactions: Transactions) -> None:
    seen = await look(transactions, q="status:lost")
    assert "expected one of Queued" in seen.problem
    with pytest.raises(page.Unclear, match="expected the id of a job"):
        await look(transactions, before="x")
