"""A real browser, and pages to look at."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import asyncpg
import pytest
from anyio.from_thread import BlockingPortal

from tests.conftest import NewDatabase
from tests.support.daemon import DEADLINE
from tests.web.browser.serving import WHO, host_of, launched, served

if find_spec("playwright") is None and not os.environ.get("CI"):
    collect_ignore_glob = ["test_*"]  # it takes asyncjobd[browser]

PATIENCE = 1000 * DEADLINE  # milliseconds for what is waited for in a page
Page = Any
NewPage = Callable[..., Page]


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Debian's chromium. It ends with the tests of this folder: playwright's event loop keeps others from theirs."""
    if shutil.which("chromium") is None and not os.environ.get("CI"):
        pytest.skip("needs chromium")
    with launched() as browser:
        yield browser


@pytest.fixture
def new_page(browser: Any) -> Iterator[NewPage]:
    """Open pages; whatever goes wrong in one of them fails the test, in the end."""
    contexts: list[Any] = []
    found: list[str] = []

    def open_page(url: str, path: str = "/", who: str = "operator", **options: Any) -> Page:
        allowed = options.pop("allowed", ())  # what the console may say
        context = browser.new_context(extra_http_headers={WHO: who}, **options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        watch(page, host_of(url), found, allowed)
        page.goto(url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not found


def watch(page: Page, host: str, found: list[str], allowed: tuple[str, ...]) -> None:
    """Note what goes wrong in a page: errors, dialogs, violations of its policy, and requests to other hosts."""

    def console(said: Any) -> None:
        if said.type in {"error", "warning"} and not any(each in said.text for each in allowed):
            found.append(f"console: {said.text}")

    def request(request: Any) -> None:
        if host_of(request.url) != host:
            found.append(f"request: {request.url}")

    page.on("pageerror", lambda error: found.append(f"error: {error}"))
    page.on("dialog", lambda dialog: found.append(f"dialog: {dialog.message}"))
    page.on("console", console)
    page.on("request", request)


class Site:
    """Pages, and their database."""

    def __init__(self, portal: BlockingPortal, dsn: str, url: str) -> None:
        self._portal = portal
        self.dsn = dsn
        self.url = url

    def sql(self, statement: str, *arguments: Any) -> Any:
        """Run SQL as a client, and return its first value."""

        async def run() -> Any:
            connection = await asyncpg.connect(self.dsn)
            try:
                return await connection.fetchval(statement, *arguments)
            finally:
                await connection.close()

        return self._portal.call(run)

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Have somebody lock a table."""
        other = self._portal.call(asyncpg.connect, self.dsn)
        self._portal.call(other.execute, f"begin; lock table {table}")
        try:
            yield
        finally:
            self._portal.call(other.close)


@pytest.fixture(scope="module")
def site(portal: BlockingPortal, module_dsn: str) -> Iterator[Site]:
    with served(portal, module_dsn) as url:
        yield Site(portal, module_dsn, url)


@pytest.fixture
def own_site(portal: BlockingPortal, new_database: NewDatabase) -> Iterator[Site]:
    dsn = new_database()
    with served(portal, dsn) as url:
        yield Site(portal, dsn, url)
