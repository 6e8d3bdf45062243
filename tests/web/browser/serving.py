"""The pages in this process, on a free port; who looks is what a header says."""

import asyncio
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from anyio.from_thread import BlockingPortal
from starlette.requests import Request
from starlette.types import ASGIApp

from asyncjobd.config.web import WebConfig
from asyncjobd.web.site import application
from asyncjobd.web.transactions import Transactions
from asyncjobd.web.viewer import Viewer
from tests.support.daemon import DEADLINE

WHO = "X-Who"
VIEWERS = {"operator": Viewer("ann@example.com", True), "viewer": Viewer("vera"), "forger": Viewer("max")}


class Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def viewer_of(request: Request) -> Viewer | None:
    return VIEWERS.get(request.headers.get(WHO, ""))


async def _connect(dsn: str) -> tuple[Transactions, "asyncio.Event"]:
    ended = asyncio.Event()
    opened: asyncio.Future[Transactions] = asyncio.get_running_loop().create_future()

    async def hold() -> None:
        async with Transactions.connect(dsn) as transactions:
            opened.set_result(transactions)
            await ended.wait()

    _held.add(asyncio.create_task(hold()))
    return await opened, ended


_held: set["asyncio.Task[None]"] = set()


@contextmanager
def served(portal: BlockingPortal, dsn: str, **settings: object) -> Iterator[str]:
    """Serve the pages of a database, and give the URL that they begin with."""
    transactions, ended = portal.call(_connect, dsn)
    app: ASGIApp = application(transactions, viewer_of, WebConfig(**{"label": "test", **settings}))  # type: ignore[arg-type]
    server = Server(uvicorn.Config(app, port=0, log_config=None, lifespan="on", timeout_graceful_shutdown=1))
    serving = portal.start_task_soon(server.serve)
    deadline = time.monotonic() + DEADLINE
    while not server.started:
        assert time.monotonic() < deadline and not serving.done(), "the server does not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        serving.result(DEADLINE)
        portal.call(ended.set)


ELSEWHERE = "jobs.example.com"  # a name of this machine that is not its own, for browsers
OPTIONS = (
    f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1",
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def launched() -> Iterator[Any]:
    """Give Debian's chromium. Raise LookupError where it is missing."""
    from playwright import sync_api

    path = shutil.which("chromium")
    if path is None:
        raise LookupError("chromium is missing: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(OPTIONS))
        yield browser
        browser.close()


def host_of(url: str) -> str:
    return urlsplit(url).netloc
