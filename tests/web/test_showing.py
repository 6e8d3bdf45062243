"""Pages share the look of the overview, and say what they cannot show when the database does not answer."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from html import unescape

import asyncpg
import httpx
import pytest

from asyncjobd.web.pages.overview import PAGE as OVERVIEW
from asyncjobd.web.viewer import Viewer
from tests.support.jobs import Connection, insert
from tests.support.visits import visiting

pytestmark = pytest.mark.anyio


@pytest.fixture
async def pages(dsn: str) -> AsyncIterator[httpx.AsyncClient]:
    async with visiting(dsn, Viewer("ann", can_order=True)) as pages:
        yield pages


@asynccontextmanager
async def locked(dsn: str, table: str) -> AsyncIterator[None]:
    """Have somebody lock a table."""
    other = await asyncpg.connect(dsn)
    try:
        await other.execute(f"begin; lock table {table}")
        yield
    finally:
        await other.close()


async def test_actions_are_seen_by_the_look_of_the_overview(
    db: Connection, pages: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncjobd.web.showing.OVERVIEW", replace(OVERVIEW, pace=3600.0))

    async def held(name: str) -> int:
        answer = await pages.get(f"/actions/{name}", headers={"Accept": "application/json"})
        number: int = answer.json()["row"]["held"]
        return number

    await insert(db, "one", status="'Hold'")
    await insert(db, "other", status="'Hold'")
    assert await held("one") == 1
    await insert(db, "other", status="'Hold'")
    assert await held("other") == 1
    await insert(db, "new", status="'Hold'")
    assert await held("new") == 1  # it was not there when the overview looked


async def test_list_is_shown_where_the_overview_cannot_be_seen(
    dsn: str, db: Connection, pages: httpx.AsyncClient
) -> None:
    job_id = await insert(db, "one", status="'Hold'")
    async with locked(dsn, "asyncjob.daemon"):
        answer = await pages.get("/jobs?q=status:Hold")
    assert answer.status_code == 200
    assert f'href="/jobs/{job_id}"' in answer.text and "SLOW" in answer.text


@pytest.mark.parametrize("state", ["Queued", "ready", "Failed"])
async def test_links_lead_through_a_list(db: Connection, pages: httpx.AsyncClient, state: str) -> None:
    columns = {
        "Queued": "'Queued', now() + n * interval '1 hour'", "ready": "'In Progress', null", "Failed": "'Failed', null",
    }  # fmt: skip
    await db.execute(
        "insert into asyncjob.job (job_name, status, schedule_time)"
        f" select 'a,b&c +#', {columns[state]} from generate_series(1, 130) as n"
    )
    link, found = f"/jobs?q=status:{state}", []
    while link:
        text = (await pages.get(link)).text
        found += re.findall(r'href="/jobs/(\d+)"', text)
        assert len(found) <= 2 * 130, "the links lead back"
        further = re.search(r'class="button" href="([^"]*)">Show further', text)
        link = unescape(further[1]) if further else ""
    assert sorted(set(found), key=int) == [str(n) for n in range(1, 131)]


async def test_overview_that_takes_too_long_is_no_outage(dsn: str, pages: httpx.AsyncClient) -> None:
    async with locked(dsn, "asyncjob.daemon"):
        answer = await pages.get("/help")
    assert answer.status_code == 200
    assert "SLOW" in answer.text and "NO ANSWER" not in answer.text


async def test_statement_that_takes_too_long_is_told_apart_from_an_outage(
    dsn: str, db: Connection, pages: httpx.AsyncClient
) -> None:
    job_id = await insert(db, "succeed", status="'Hold'")
    async with locked(dsn, "asyncjob.execution"):
        answer = await pages.get(f"/jobs/{job_id}")
    assert answer.status_code == 503
    assert "That takes the database too long" in answer.text
    assert "statement timeout" in answer.text and "asyncjobd doctor" in answer.text
    assert "NO ANSWER" not in answer.text


async def test_order_that_takes_too_long_is_said_for_good(
    dsn: str, db: Connection, pages: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that is live asks for its address again, which says something else of an order."""
    monkeypatch.setattr("asyncjobd.web.transactions.ORDER_LIMIT", "set local statement_timeout = '50ms'")
    job_id = await insert(db, "succeed", status="'Hold'")
    async with locked(dsn, "asyncjob.job"):
        answer = await pages.post(f"/jobs/{job_id}/release", data={"was": "Hold"})
    assert answer.status_code == 503
    assert "Nothing was changed" in answer.text and "shows one moment" in answer.text
