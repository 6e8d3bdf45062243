"""The pages in this process, as a viewer asks for them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from asyncjobd.web.application import application
from asyncjobd.web.guard import Guard
from asyncjobd.web.transactions import Transactions
from asyncjobd.web.viewer import Viewer

SITE = "http://localhost"


@asynccontextmanager
async def visiting(dsn: str, viewer: Viewer) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client that asks for the pages of a database as this viewer."""
    async with Transactions.connect(dsn) as transactions:
        app = application(transactions, lambda _request: viewer)
        transport = httpx.ASGITransport(Guard(app), raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url=SITE, headers={"Origin": SITE}) as pages,
        ):
            yield pages
