"""Pages that renew themselves: what changes comes up, what somebody is about to press stays, and nobody costs nothing."""

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from anyio.from_thread import BlockingPortal

from asyncjobd.postgres.embedded import EmbeddedServer
from asyncjobd.web.look import UNSEEN_SECONDS
from tests.faults.proxy import Proxy
from tests.support.daemon import DEADLINE
from tests.web.browser.conftest import NewPage, Site
from tests.web.browser.serving import served

ALLOWED = ("503", "Failed to load resource")


def test_page_shows_what_changes_without_being_loaded_again(own_site: Site, new_page: NewPage) -> None:
    job_id = own_site.sql("insert into asyncjob.job (job_name, status) values ('a', 'Hold') returning id")
    page = new_page(own_site.url, f"/jobs/{job_id}")
    page.evaluate("window.isSame = true")
    own_site.sql("update asyncjob.job set status = 'Failed' where id = $1", job_id)
    page.locator(".state[data-state='failed']").first.wait_for()
    assert page.evaluate("window.isSame")


def test_marked_row_stays_under_the_pointer(own_site: Site, new_page: NewPage) -> None:
    own_site.sql("insert into asyncjob.job (job_name, status) values ('a', 'Hold')")
    page = new_page(own_site.url, "/jobs")
    page.locator("[name=id]").check()
    own_site.sql("insert into asyncjob.job (job_name, status) values ('b', 'Hold')")
    page.locator("#live[data-state='news']").wait_for()
    assert page.locator("tr[data-job]").count() == 1
    page.locator("[name=id]").uncheck()
    page.locator("tr[data-job]").nth(1).wait_for()


def test_news_leave_what_somebody_has_typed(own_site: Site, new_page: NewPage) -> None:
    own_site.sql("insert into asyncjob.action (name, handler, is_active) values ('mail', '', true)")
    page = new_page(own_site.url, "/actions/mail")
    typed = {"#params": '{"to": "ann"}', "#due": "tomorrow 9:30", "#unique_key": "k"}
    for field, text in typed.items():
        page.locator(field).fill(text)
    page.get_by_role("button", name="Insert").focus()
    own_site.sql("insert into asyncjob.job (job_name, status) values ('mail', 'Hold')")
    page.locator("dt:text-is('held') + dd", has_text="1").wait_for()
    assert {field: page.locator(field).input_value() for field in typed} == typed


def test_news_leave_what_somebody_has_chosen_or_opened(own_site: Site, new_page: NewPage) -> None:
    held = "insert into asyncjob.job (job_name, status) values ('a', 'Hold') returning id"
    job_id = own_site.sql(held)
    page = new_page(own_site.url, "/jobs")
    page.locator("#scope-all").check()
    page.locator("h1").click()
    page.keyboard.press("j")
    own_site.sql(held)
    page.locator("tr[data-job]").nth(1).wait_for()
    assert page.locator("#scope-all").is_checked()
    assert page.locator("tr.at").get_attribute("data-job") == str(job_id)
    engine = (
        "with engine as materialized (select set_config('asyncjob.engine', 'on', true)) update asyncjob.job"
    )
    own_site.sql(
        f"{engine} set last_execution_status = 'x', last_execution_time = now() from engine where id = $1",
        job_id,
    )
    page.goto(f"{own_site.url}/jobs/{job_id}")
    page.locator("details > summary").click()
    own_site.sql(f"{engine} set progress_message = 'half' from engine where id = $1", job_id)
    page.get_by_text("half").wait_for()
    assert page.locator("details[open]").count() == 1


def test_button_with_the_focus_becomes_no_other_order(own_site: Site, new_page: NewPage) -> None:
    job_id = own_site.sql("insert into asyncjob.job (job_name, status) values ('a', 'Hold') returning id")
    page = new_page(own_site.url, f"/jobs/{job_id}")
    page.get_by_role("button", name="Release").focus()
    own_site.sql("update asyncjob.job set status = 'In Progress' where id = $1", job_id)
    page.get_by_role("button", name="Hold").wait_for()
    assert page.evaluate("document.activeElement === document.body")
    schedule = "insert into asyncjob.schedule (name, job_name, every) values ($1, 'a', '1 day')"
    own_site.sql(schedule, "second")
    page.goto(f"{own_site.url}/schedule")
    page.get_by_role("button", name="Run now").focus()
    own_site.sql(schedule, "first")
    page.locator("#schedule-first + #schedule-second").wait_for()
    assert page.evaluate("new FormData(document.activeElement.form).get('name')") == "second"


def test_mark_is_on_no_other_job_after_going_back(own_site: Site, new_page: NewPage) -> None:
    held = "insert into asyncjob.job (job_name, status) values ('a', 'Hold') returning id"
    job_id = own_site.sql(held)
    page = new_page(own_site.url, "/jobs")
    page.locator("[name=id]").check()
    page.goto(f"{own_site.url}/jobs/{job_id}")
    new = own_site.sql(held)
    deadline = time.monotonic() + DEADLINE
    while f'data-job="{new}"' not in page.request.get(f"{own_site.url}/jobs").text():
        assert time.monotonic() < deadline, "the list does not renew itself"
    page.go_back()
    assert page.locator("tr[data-job]").count() == 2
    assert page.locator("main :checked[name=id]").count() == 0


def test_paused_page_asks_no_more(own_site: Site, new_page: NewPage) -> None:
    page = new_page(own_site.url, "/jobs")
    page.keyboard.press("p")
    page.locator("#live[data-state='paused']").wait_for()
    own_site.sql("insert into asyncjob.job (job_name, status) values ('a', 'Hold')")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(1500)
    assert not asked
    page.keyboard.press("p")
    page.locator("tr[data-job]").wait_for()


def test_nothing_new_is_a_304(own_site: Site, new_page: NewPage) -> None:
    page = new_page(own_site.url, "/jobs")
    tag = page.evaluate("document.documentElement.dataset.live")
    for _ in range(20):
        assert page.request.get(f"{own_site.url}/jobs", headers={"If-None-Match": tag}).status == 304
    weak = f'"other", W/{tag}'  # of a proxy that compresses
    assert page.request.get(f"{own_site.url}/jobs", headers={"If-None-Match": weak}).status == 304


def test_page_that_is_seen_again_waits_for_its_answer(own_site: Site, new_page: NewPage) -> None:
    page = new_page(own_site.url, "/jobs")
    page.evaluate(
        "new Promise(ask => { window.asked = 0; window.fetch = () => { ask(asked += 1); return new Promise(() => {}); }; })"
    )
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert page.evaluate("asked") == 1


def test_answer_that_is_not_this_page_is_said_and_leaves_it(own_site: Site, new_page: NewPage) -> None:
    job_id = own_site.sql("insert into asyncjob.job (job_name, status) values ('a', 'Hold') returning id")
    page = new_page(own_site.url, f"/jobs/{job_id}", allowed=("404",))
    page.route(page.url, lambda route: route.fulfill(body="<main>Sign in</main>", content_type="text/html"))
    page.get_by_text("another page has answered").wait_for()
    page.unroute(page.url)
    own_site.sql("delete from asyncjob.job")
    page.get_by_text("what this page shows is not there any more").wait_for()
    assert page.locator("h1").inner_text() == f"a {job_id}"


def test_nobody_who_looks_costs_no_statement(own_site: Site, new_page: NewPage) -> None:
    page = new_page(own_site.url, "/")
    page.close()
    deadline = time.monotonic() + DEADLINE + UNSEEN_SECONDS
    last = None
    while last != (last := last_statement(own_site)):
        assert time.monotonic() < deadline, "somebody still looks"
        time.sleep(2.5)  # longer than any pace


def last_statement(site: Site) -> Any:
    """Return when the pages have last asked the database."""
    return site.sql(
        "select max(state_change) from pg_stat_activity where application_name = 'asyncjobd web' and datname = current_database()"
    )


@pytest.fixture
def behind_proxy(
    portal: BlockingPortal, dsn: str, server: EmbeddedServer, proxy: Proxy
) -> Iterator[tuple[str, Proxy]]:
    to = f"postgresql://postgres@127.0.0.1:{proxy.port}{urlsplit(dsn).path}"
    with served(portal, to) as url:
        yield url, proxy


def test_banner_while_the_database_is_away(behind_proxy: tuple[str, Proxy], new_page: NewPage) -> None:
    url, proxy = behind_proxy
    page = new_page(url, "/", allowed=ALLOWED)
    page.locator("#live[data-state='live']").wait_for()
    proxy.refuses = True
    proxy.cut()
    page.get_by_text("no answer since").wait_for()
    answer = page.request.get(url)
    assert answer.status == 503
    assert "The database does not answer" in answer.text()
    proxy.heal()
    page.locator("#banner").wait_for(state="hidden", timeout=DEADLINE * 1000)
    assert page.locator("h1").inner_text() == "1 trouble"


def test_page_that_is_loaded_without_a_database_comes_up_by_itself(
    behind_proxy: tuple[str, Proxy], new_page: NewPage
) -> None:
    url, proxy = behind_proxy
    proxy.refuses = True
    page = new_page(url, "/", allowed=ALLOWED)
    assert "NO ANSWER" in page.title()
    proxy.heal()
    page.get_by_role("heading", name="1 trouble").wait_for(timeout=DEADLINE * 1000)
    assert "NO ANSWER" not in page.title()


def test_eight_tabs_are_all_live(own_site: Site, new_page: NewPage) -> None:
    job_id = own_site.sql("insert into asyncjob.job (job_name, status) values ('a', 'Hold') returning id")
    first = new_page(own_site.url, f"/jobs/{job_id}")
    tabs: list[Any] = [first, *(first.context.new_page() for _ in range(7))]
    for tab in tabs[1:]:
        tab.goto(f"{own_site.url}/jobs/{job_id}")
    own_site.sql("update asyncjob.job set status = 'Failed' where id = $1", job_id)
    for tab in tabs:
        tab.locator(".state[data-state='failed']").first.wait_for()
