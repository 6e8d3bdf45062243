"""What the pages answer when the database does not."""

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from asyncjobd.web.site import application
from asyncjobd.web.transactions import Transactions
from asyncjobd.web.viewer import Viewer
from tests.support.jobs import Connection, insert

pytestmark = pytest.mark.anyio


@pytest.fixture
async def pages(dsn: str) -> AsyncIterator[httpx.AsyncClient]:
    async with Transactions.connect(dsn) as transactions:
        transport = httpx.ASGITransport(app=application(transactions, lambda request: Viewer("ann")))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as pages:
            yield pages


async def test_overview_that_takes_too_long_is_no_outage(dsn: str, pages: httpx.AsyncClient) -> None:
    other = await asyncpg.connect(dsn)
    await other.execute("begin; lock table asyncjob.daemon")
    answer = await pages.get("/help")
    await other.close()
    assert answer.status_code == 200
    assert "SLOW" in answer.text and "NO ANSWER" not in answer.text


async def test_statement_that_takes_too_long_is_told_apart_from_an_outage(
    dsn: str, db: Connection, pages: httpx.AsyncClient
) -> None:
    job_id = await insert(db, "succeed", status="'Hold'")
    other = await asyncpg.connect(dsn)
    await other.execute("begin; lock table asyncjob.execution")
    answer = await pages.get(f"/jobs/{job_id}")
    await other.close()
    assert answer.status_code == 503
    assert "That takes the database too long" in answer.text
    assert "statement timeout" in answer.text and "asyncjobd doctor" in answer.text
    assert "NO ANSWER" not in answer.text
