"""Requests that no page of ours makes are refused, and answers say what browsers may do with them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.support.daemon import DaemonProcess, needs_root
from tests.support.jobs import insert
from tests.support.web import TCP, WebProcess, style_of, web_config

pytestmark = [needs_root, pytest.mark.anyio]

PROXY = "www-data"


@pytest.fixture(scope="module")
def page(module_dsn: str, open_folder: Path) -> Iterator[WebProcess]:
    config = web_config(
        open_folder, module_dsn, hosts=["jobs.example.com", "[2001:db8::7]"], user_header="Remote-User",
        proxy_users=[PROXY], operators=["*"],
    )  # fmt: skip
    yield WebProcess(config).ready()
    DaemonProcess.kill_all()


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8642",
        "127.0.0.1",
        "[::1]:1",
        "jobs.example.com",
        "Jobs.Example.com:443",
        "[2001:db8::7]:80",
    ],
)
def test_hosts_that_are_known(page: WebProcess, host: str) -> None:
    assert page.ask(Host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8642",
        "localhost.evil.example",
        "localhost@evil.example",
        "127.0.0.2",
        "",
        "localhost:x",
    ],
)
@pytest.mark.parametrize("user", ["root", TCP])
def test_host_that_nobody_has_configured_is_refused(page: WebProcess, host: str, user: str) -> None:
    """A site may have its own name lead to our address."""
    answer = page.ask(user=user, Host=host)
    assert answer.status == 400
    assert "[web] hosts" in answer.text


def test_what_a_proxy_says_of_the_host_changes_nothing(page: WebProcess) -> None:
    assert (
        page.ask(user=PROXY, Host="evil.example", X_Forwarded_Host="localhost", Remote_User="ann").status
        == 400
    )


NOT_OURS = 403


@pytest.mark.parametrize(
    ("user", "headers", "status"),
    [
        ("root", {"Sec_Fetch_Site": "same-origin"}, 200),
        ("root", {"Sec_Fetch_Site": "cross-site"}, NOT_OURS),
        ("root", {"Sec_Fetch_Site": "same-site"}, NOT_OURS),
        ("root", {"Sec_Fetch_Site": "none"}, NOT_OURS),
        ("root", {"Sec_Fetch_Site": "cross-site", "Origin": "http://localhost"}, NOT_OURS),
        ("root", {"Origin": "http://localhost"}, 200),
        ("root", {"Origin": "http://jobs.example.com:8642", "Host": "jobs.example.com:8642"}, 200),
        ("root", {"Origin": "http://localhost:8643"}, NOT_OURS),
        ("root", {"Origin": "http://evil.example"}, NOT_OURS),
        ("root", {"Origin": "http://evil.example/localhost"}, NOT_OURS),
        ("root", {"Origin": "null"}, NOT_OURS),
        ("root", {"Origin": ""}, NOT_OURS),
        ("root", {}, 200),
    ],
)  # fmt: skip
def test_post_is_obeyed_from_a_page_of_ours_or_a_program(
    page: WebProcess, user: str, headers: dict[str, str], status: int
) -> None:
    assert page.ask("/link", user=user, method="POST", **headers).status == status


@pytest.mark.parametrize("user", [PROXY, TCP])
def test_post_that_does_not_say_where_it_comes_from_is_refused(page: WebProcess, user: str) -> None:
    """Behind a proxy and over the network it may be a browser's."""
    headers = {"Remote_User": "ann"} if user == PROXY else {}
    answer = page.ask("/link", user=user, method="POST", **headers)
    assert answer.status == 403
    assert "does not come from a page of this site" in answer.text


def test_other_methods_are_refused(page: WebProcess) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"):
        assert page.ask(method=method).status == 405


def test_large_requests_are_refused(page: WebProcess) -> None:
    assert page.ask("/login", method="POST", body="x" * (1024 * 1024 + 1)).status == 413
    connection = page.connected("root")
    connection.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert connection.recv(4096).startswith(b"HTTP/1.1 411 ")
    connection.close()


@pytest.mark.parametrize("target", ["/", "/nowhere", "/login?token=x"])
@pytest.mark.parametrize("user", ["root", TCP])
def test_each_answer_has_its_headers(page: WebProcess, target: str, user: str) -> None:
    headers = page.ask(target, user=user, Accept="text/html").headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for part in (
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "require-trusted-types-for 'script'",
    ):
        assert part in policy.split("; ")
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert "server" not in headers


def test_static_files_may_be_kept(page: WebProcess) -> None:
    assert "immutable" in page.ask(style_of(page.ask().text)).headers["Cache-Control"]


async def test_get_changes_nothing(page: WebProcess, module_dsn: str) -> None:
    """Not even with the fields of an order: whatever a page does for a GET, it does as a reader."""
    db = await asyncpg.connect(module_dsn)
    await db.execute("delete from asyncjob.job")
    job_id = await insert(db, "held", status="'Hold'")
    before = await db.fetchval("select xmin::text || job::text from asyncjob.job where id = $1", job_id)
    for target in (
        "/",
        "/link",
        "/login?token=x",
        f"/jobs/{job_id}/cancel?confirm=1",
        f"/jobs/{job_id}?order=release",
    ):
        for method in ("GET", "HEAD"):
            assert page.ask(target, method=method).status in {200, 403, 404, 405}
    assert (
        await db.fetchval("select xmin::text || job::text from asyncjob.job where id = $1", job_id) == before
    )
    assert await db.fetchval("select count(*) from asyncjob.job") == 1
    await db.close()


async def test_viewer_cannot_order(module_dsn: str, open_folder: Path) -> None:
    page = WebProcess(web_config(open_folder / "viewers", module_dsn, viewers=["games"])).ready()
    async with job(module_dsn) as (job_id, status):
        answer = page.ask(
            f"/jobs/{job_id}/release", "games", "POST", "was=Hold", Sec_Fetch_Site="same-origin"
        )
        assert answer.status == 403
        assert await status() == "Hold"
        answer = page.ask(f"/jobs/{job_id}/release", "root", "POST", "was=Hold", Sec_Fetch_Site="same-origin")
        assert answer.status == 303
        assert await status() == "In Progress"


async def test_viewer_whom_the_page_lets_order_is_refused_by_postgres(
    module_dsn: str, open_folder: Path
) -> None:
    """As if the page's own check were gone: its role was only granted to look."""
    db = await asyncpg.connect(module_dsn)
    await db.execute(
        "drop role if exists looks_only; create role looks_only login noinherit in role asyncjob_reader"
    )
    parts = urlsplit(module_dsn)
    dsn = parts._replace(netloc=f"looks_only@{parts.netloc.rpartition('@')[2]}").geturl()
    page = WebProcess(web_config(open_folder / "open", dsn, operators=["*"])).ready()
    async with job(module_dsn) as (job_id, status):
        answer = page.ask(
            f"/jobs/{job_id}/release", "games", "POST", "was=Hold", Sec_Fetch_Site="same-origin"
        )
        assert answer.status >= 400
        assert "permission denied to set role" in answer.text
        assert await status() == "Hold"
    page.stop()
    await db.execute("drop role looks_only")
    await db.close()


@asynccontextmanager
async def job(dsn: str) -> AsyncIterator[tuple[int, Callable[[], Awaitable[str]]]]:
    """Give a job on Hold, and what reads its status."""
    db = await asyncpg.connect(dsn)
    job_id = await insert(db, "held", status="'Hold'")
    yield job_id, lambda: db.fetchval("select status from asyncjob.job where id = $1", job_id)
    await db.close()
