"""Orders and questions of pages hold also where jobs, input or configurations are odd."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest

from asyncjobd.monitoring.selection import Selection
from asyncjobd.monitoring.times import parse_time
from asyncjobd.web import ordering
from asyncjobd.web.access import Person
from asyncjobd.web.bulk import Orders
from asyncjobd.web.look import UNSEEN_SECONDS, Look
from asyncjobd.web.transactions import Transactions
from asyncjobd.web.viewer import Viewer
from tests.conftest import NewDaemon
from tests.support.daemon import DEADLINE
from tests.support.jobs import Connection, as_engine, insert, row, unowned
from tests.support.visits import visiting

pytestmark = pytest.mark.anyio


@pytest.fixture
async def pages(dsn: str) -> AsyncIterator[httpx.AsyncClient]:
    async with visiting(dsn, Viewer("ann", can_order=True)) as pages:
        yield pages


async def test_job_that_is_refused_undoes_no_order_to_others(
    db: Connection, pages: httpx.AsyncClient
) -> None:
    first = await insert(db, "a", status="'Failed'", unique_key="'k'")
    second = await insert(db, "a", status="'Failed'")
    await insert(db, "a", unique_key="'k'", schedule_time="now() + interval '1 day'")
    form = {"scope": "marked", "order": "run-now", "id": [str(first), str(second)]}
    answer = await pages.post("/orders", data=form)
    assert answer.status_code == 409
    taken = f"Job {first}: job {second + 1} has its unique_key &#39;k&#39; and is Queued."
    assert taken in answer.text
    alone = await pages.post(f"/jobs/{first}/run-now", data={"was": "Failed"})
    assert alone.status_code == 409 and taken in alone.text
    assert (await row(db, first))["status"] == "Failed"
    assert (await row(db, second))["status"] == "In Progress"


async def test_order_to_all_is_typed_where_not_all_jobs_were_counted(
    db: Connection, pages: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordering, "WIDTH", 10)
    await db.execute(
        "insert into asyncjob.job (job_name, status) select 'old', 'Hold' from generate_series(1, 20)"
    )
    question = "/orders/new?order=cancel&scope=all&q=name:old"
    is_filled_in = 'name="typed" value="cancel"'
    assert is_filled_in not in (await pages.get(question)).text
    await db.execute("delete from asyncjob.job where id <= 12")
    assert is_filled_in in (await pages.get(question)).text


@pytest.mark.parametrize("due", ["in 99999999999999999 days", f"in {'9' * 400} s"])
def test_time_that_no_clock_has_is_told(due: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        parse_time(due, datetime.now(UTC))


async def test_params_that_are_nested_too_deep_are_told(pages: httpx.AsyncClient, db: Connection) -> None:
    await insert(db, "a", status="'Hold'")
    form = {"name": "a", "do": "enqueue", "params": "[" * 100_000}
    answer = await pages.post("/actions", data=form)
    assert answer.status_code == 400
    assert "params are nested in more than 200 levels" in answer.text


async def test_page_that_is_not_there_is_not_found(pages: httpx.AsyncClient, db: Connection) -> None:
    for path in ("/jobs/abc", "/jobs/-1", "/orders/1", "/schedule/nope"):
        assert (await pages.get(path)).status_code == 404
    await insert(db, "two\nlines", status="'Hold'")
    answer = await pages.get("/actions/two%0Alines")
    assert answer.status_code == 200


async def test_long_urls_and_ids_are_refused(pages: httpx.AsyncClient) -> None:
    digits = "9" * 5000
    assert (await pages.get(f"/jobs/{digits}")).status_code == 414
    large = await pages.get("/jobs/99999999999999999999")
    assert (large.status_code, "is too large for the id of a job" in large.text) == (404, True)
    assert (await pages.get(f"/jobs?before={digits}")).status_code == 414
    form = {"scope": "marked", "order": "hold", "id": digits}
    assert (await pages.post("/orders", data=form)).status_code == 400


async def test_last_try_of_a_job_that_waits_for_its_retry_is_shown_once(
    db: Connection, pages: httpx.AsyncClient, start_daemon: NewDaemon
) -> None:
    start_daemon().ready()
    job_id = await insert(db, "raises")
    await unowned(db, job_id, "Queued")
    found = (await pages.get(f"/jobs/{job_id}", headers={"Accept": "application/json"})).json()
    assert len(found["tries"]) == 1


async def test_try_has_the_end_of_its_log(db: Connection, pages: httpx.AsyncClient) -> None:
    ended = {"last_execution_status": "'success'", "last_execution_time": "now()"}
    job_id = await insert(db, "x", status="'Completed'", log="repeat('a', 20000) || 'end'", **ended)
    await as_engine(
        db,
        "insert into asyncjob.execution values ($1, -1, null, null, now(), 'failed', 'x', null, 'before')",
        job_id,
    )
    found = (await pages.get(f"/jobs/{job_id}", headers={"Accept": "application/json"})).json()
    assert [(each["log"][-3:], len(each["log"]), each["is_log_cut"]) for each in found["tries"]] == [
        ("end", 20_000, True),
        ("ore", 6, False),
    ]


async def test_look_ends_where_nobody_looks_whatever_its_pace() -> None:
    async def see() -> str:
        return "seen"

    look = Look(see, 3600.0, lambda: 0.0)
    running = asyncio.create_task(look.run())
    await look.seen()
    async with asyncio.timeout(UNSEEN_SECONDS + DEADLINE):
        await running


def test_name_that_looks_like_a_group_is_none() -> None:
    assert not Person("group:ops", frozenset()).is_in(["group:ops"])
    assert Person("ann", frozenset({"ops"})).is_in(["group:ops"])


@pytest.mark.parametrize(
    "query", ["params.password:x", "params.user.Password:x", 'params.user:"{\\"password\\": 1}"']
)
async def test_hidden_value_is_not_found_by_searching_for_it(
    db: Connection, pages: httpx.AsyncClient, query: str
) -> None:
    await insert(db, "a", '{"password": "x", "user": {"Password": "x"}}', status="'Hold'")
    found = await pages.get("/jobs", params={"q": query}, headers={"Accept": "application/json"})
    assert found.json()["jobs"] == [] and "params." in found.json()["problem"]
    order = await pages.get("/orders/new", params={"order": "cancel", "scope": "all", "q": query})
    assert order.status_code == 400


async def test_search_for_very_deep_json_is_refused(pages: httpx.AsyncClient) -> None:
    query = {"q": f"params.x:{'[' * 1300}"}
    found = await pages.get("/jobs", params=query, headers={"Accept": "application/json"})
    assert found.status_code == 200 and found.json()["jobs"] == []


async def test_value_that_is_only_written_is_not_found_by_searching_for_it(
    db: Connection, pages: httpx.AsyncClient
) -> None:
    await as_engine(
        db,
        "insert into asyncjob.action (name, handler, is_active, params_schema)"
        """ values ('pay', '', true, '{"properties": {"pin": {"writeOnly": true}}}')""",
    )
    await insert(db, "pay", '{"pin": "1234"}', status="'Hold'")
    found = await pages.get("/jobs", params={"q": "params.pin:1234"}, headers={"Accept": "application/json"})
    assert found.json()["jobs"] == [] and "params.pin: this page hides" in found.json()["problem"]


async def test_text_that_begins_with_a_bracket_is_searched_for(
    db: Connection, pages: httpx.AsyncClient
) -> None:
    await insert(db, "a", '{"subject": "[URGENT]"}', status="'Hold'")
    query = {"q": "params.subject:[URGENT]"}
    found = await pages.get("/jobs", params=query, headers={"Accept": "application/json"})
    assert len(found.json()["jobs"]) == 1


async def test_time_of_an_order_to_all_is_that_of_its_question(pages: httpx.AsyncClient) -> None:
    question = await pages.get(
        "/orders/new", params={"order": "hold", "scope": "all", "q": "until:5m name:a"}
    )
    text = question.text.partition('name="q" value="')[2].partition('"')[0]
    until, _, rest = text.removeprefix("until:").partition(" ")
    assert rest == "name:a"
    assert 299 < (datetime.now(UTC) - datetime.fromisoformat(until)).total_seconds() < 299 + DEADLINE


async def test_order_that_is_stopped_before_it_began_has_stopped(dsn: str) -> None:
    async with Transactions.connect(dsn) as transactions:
        orders = Orders(transactions)
        orders.begin(Viewer("ann", can_order=True), "hold", "", Selection())
        assert orders.stop(orders.given[0].number)
        await orders.close()
        assert orders.given[0].state == "stopped"
