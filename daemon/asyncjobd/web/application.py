"""The pages as an ASGI application, which `asyncjobd web` serves and other applications may mount."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route

from asyncjobd.config.web import WebConfig
from asyncjobd.web import downloads
from asyncjobd.web.assets import Assets
from asyncjobd.web.bulk import Orders
from asyncjobd.web.drawing import Drawing
from asyncjobd.web.look import Looks
from asyncjobd.web.operating import Operating
from asyncjobd.web.ordering import Ordering
from asyncjobd.web.pages import HELP, PAGES, database
from asyncjobd.web.pages import orders as orders_page
from asyncjobd.web.showing import Showing
from asyncjobd.web.transactions import Transactions
from asyncjobd.web.viewer import ViewerOf

DEFAULTS = WebConfig()


def application(transactions: Transactions, viewer_of: ViewerOf, settings: WebConfig = DEFAULTS) -> Starlette:
    """Return the pages. Who asks is what `viewer_of` says of a request; None is refused.

    Beneath another application they are where that mounts them: all links begin with the root_path.
    """
    assets, looks, orders = Assets(), Looks(), Orders(transactions)
    pages = [*PAGES, database.page_of(transactions.database), orders_page.page_of(orders), *HELP]
    showing = Showing(transactions, viewer_of, settings, Drawing(assets, settings.label, pages), looks)

    @asynccontextmanager
    async def lifespan(_application: Starlette) -> AsyncIterator[None]:
        yield
        await orders.close()
        await looks.close()

    return Starlette(
        routes=[
            *(Route(page.path, showing.of(page), name=page.name) for page in pages),
            *Ordering(showing, orders).routes,
            *Operating(showing, orders).routes,
            downloads.route_of(showing),
            Route("/static/{name:path}", assets.get),
        ],
        exception_handlers=showing.exception_handlers,
        lifespan=lifespan,
    )
