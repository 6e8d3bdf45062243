"""A real browser opens links, and says where its forms come from, over HTTP on the name of a host, too."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import DaemonProcess, needs_root
from tests.support.web import WebProcess, web_config
from tests.web.browser.conftest import NewPage, Site
from tests.web.browser.serving import ELSEWHERE
from tests.web.browser.test_pages import found_by_axe

pytestmark = needs_root

SAID = ("403", "Cross-Origin-Opener-Policy header has been ignored")  # by the browser: of a refusal, of HTTP


@pytest.fixture(scope="module")
def process(module_dsn: str, open_folder: Path) -> Iterator[WebProcess]:
    yield WebProcess(web_config(open_folder, module_dsn, hosts=[ELSEWHERE])).ready()
    DaemonProcess.kill_all()


def opened(process: WebProcess, new_page: NewPage, host: str = "127.0.0.1", **options: Any) -> Any:
    """Return a browser's page after the button of a new link."""
    url = json.loads(process.ask("/link", method="POST").text)["url"].replace("127.0.0.1", host)
    page = new_page(
        url.partition("/login")[0], "/login" + url.partition("/login")[2], allowed=SAID, **options
    )
    page.get_by_role("button", name="Open").click()
    page.wait_for_url(f"http://{host}:*/")
    assert page.title().endswith("asyncjobd")
    return page


@pytest.mark.parametrize(
    ("host", "javascript"), [("127.0.0.1", True), ("localhost", False), (ELSEWHERE, True)]
)
def test_link_and_orders_work_on_each_name_of_the_host(
    site: Site, process: WebProcess, new_page: NewPage, host: str, javascript: bool
) -> None:
    """Over HTTP, a browser sends Sec-Fetch-Site to the machine itself, and only Origin to others."""
    job_id = site.sql("insert into asyncjob.job (job_name, status) values ('nobody', 'Hold') returning id")
    page = opened(process, new_page, host, java_script_enabled=javascript)
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
    page.goto(f"{page.url}jobs/{job_id}/release")
    page.get_by_role("button", name="Release").last.click()
    page.wait_for_url(f"**/jobs/{job_id}")
    assert site.sql("select status::text from asyncjob.job where id = $1", job_id) == "In Progress"


def test_question_after_the_end_of_a_session_says_so(
    site: Site, process: WebProcess, new_page: NewPage
) -> None:
    job_id = site.sql("insert into asyncjob.job (job_name, status) values ('nobody', 'Hold') returning id")
    page = opened(process, new_page)
    page.goto(f"{process.address}/jobs/{job_id}")
    page.context.clear_cookies()
    page.get_by_role("link", name="Cancel").click()
    page.get_by_text("asyncjobd does not know who you are").wait_for()
    assert page.url.endswith(f"/jobs/{job_id}/cancel")


def test_pages_before_the_first_one_are_accessible(process: WebProcess, new_page: NewPage) -> None:
    assert found_by_axe(new_page(process.address, allowed=SAID)) == []
    link = json.loads(process.ask("/link", method="POST").text)["url"].removeprefix(process.address)
    assert found_by_axe(new_page(process.address, link)) == []


def test_link_on_another_site_leads_to_the_page_once_it_is_loaded_again(
    process: WebProcess, new_page: NewPage
) -> None:
    """The cookie is left out where another site leads here."""
    page = opened(process, new_page)
    page.goto("about:blank")
    page.set_content(f'<a href="{process.address}/jobs">jobs</a>')
    page.get_by_role("link", name="jobs").click()
    page.get_by_role("link", name="Load again").click()
    page.get_by_role("heading", name="Jobs").wait_for()
