"""Orders by mouse, by key and without JavaScript, to a daemon at work; and those that are refused."""

import re
from typing import Any

import pytest

from tests.support.daemon import DaemonProcess
from tests.web.browser.conftest import NewPage, Site

ALLOWED = ("409", "403", "400")


@pytest.fixture(autouse=True)
def daemon_at_work(module_daemon: DaemonProcess) -> DaemonProcess:
    return module_daemon


def inserted(site: Site, status: str = "Hold", name: str = "succeed") -> int:
    job_id = site.sql(
        "insert into asyncjob.job (job_name, status) values ($1, $2::text::asyncjob.status) returning id",
        name,
        status,
    )
    assert isinstance(job_id, int)
    return job_id


def status_of(site: Site, job_id: int) -> Any:
    return site.sql("select status::text from asyncjob.job where id = $1", job_id)


def expect_state(page: Any, state: str) -> None:
    page.locator(f".jobhead .state[data-state='{state}']").wait_for()


def test_job_that_runs_is_held_by_mouse_and_stops(
    site: Site, module_daemon: DaemonProcess, new_page: NewPage
) -> None:
    job_id = inserted(site, "In Progress", "block")
    module_daemon.wait_for("job.started", job_id=job_id)
    page = new_page(site.url, f"/jobs/{job_id}")
    page.get_by_role("link", name="Hold").click()
    page.get_by_role("button", name="Hold it").click()
    expect_state(page, "hold")
    module_daemon.wait_for("job.stopped", job_id=job_id)
    assert "by postgres for ann@example.com" in page.locator(".reason").inner_text()


def test_job_is_cancelled_by_keys(site: Site, new_page: NewPage) -> None:
    job_id = inserted(site)
    page = new_page(site.url, f"/jobs/{job_id}")
    page.keyboard.press("c")
    page.locator("dialog[open]").get_by_text("It ends as Failed").wait_for()
    page.keyboard.press("Enter")
    expect_state(page, "failed")


def test_question_that_the_database_delays_is_asked_once_it_answers(site: Site, new_page: NewPage) -> None:
    job_id = inserted(site)
    page = new_page(site.url, f"/jobs/{job_id}", allowed=("503",))
    with site.locked("asyncjob.job"):
        page.keyboard.press("c")
        page.get_by_role("heading", name="takes the database too long").wait_for()
        assert page.locator("dialog[open]").count() == 0
    page.get_by_text("It ends as Failed").wait_for(timeout=60_000)  # the page says it anew within 30 s
    page.locator("main button.first").click()
    expect_state(page, "failed")


def test_dialog_stays_that_of_the_question_asked_last(site: Site, new_page: NewPage) -> None:
    first, last = inserted(site), inserted(site)
    page = new_page(site.url, "/jobs?q=status:Hold")
    held: list[Any] = []
    page.route(f"**/jobs/{first}/cancel", lambda route: held.append(route))  # its answer comes late
    page.evaluate(f"void question('/jobs/{first}/cancel')")
    page.evaluate(f"question('/jobs/{last}/cancel')")
    with page.expect_response(f"**/jobs/{first}/cancel"):
        held[0].continue_()
    page.evaluate("new Promise(done => setTimeout(done))")
    assert f"Cancel succeed {last}?" in page.locator("dialog[open]").inner_text()


def test_held_job_is_released_by_key_and_runs(site: Site, new_page: NewPage) -> None:
    job_id = inserted(site)
    page = new_page(site.url, f"/jobs/{job_id}")
    page.keyboard.press("r")
    expect_state(page, "completed")


def test_order_without_javascript(site: Site, new_page: NewPage) -> None:
    job_id = inserted(site)
    page = new_page(site.url, f"/jobs/{job_id}", java_script_enabled=False)
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("button", name="Cancel it").click()
    assert page.url == f"{site.url}/jobs/{job_id}"
    assert status_of(site, job_id) == "Failed"


def test_button_on_an_old_picture_is_refused(site: Site, new_page: NewPage) -> None:
    job_id = inserted(site)
    page = new_page(site.url, f"/jobs/{job_id}", java_script_enabled=False, allowed=ALLOWED)
    site.sql("update asyncjob.job set status = 'Failed' where id = $1", job_id)
    page.get_by_role("button", name="Release").click()
    assert "Nothing was changed" in page.locator("h1").inner_text()
    said = page.locator("main").inner_text()
    assert f"Job {job_id} of succeed is Failed." in said and "It was Hold when you saw it." in said
    assert status_of(site, job_id) == "Failed"


def test_marked_jobs_are_cancelled_by_keys(site: Site, new_page: NewPage) -> None:
    first, second = inserted(site, name="marked"), inserted(site, name="marked")
    page = new_page(site.url, "/jobs?q=name:marked")
    for key in ("j", "x", "j", "x", "c"):
        page.keyboard.press(key)
    page.locator("dialog[open]").get_by_role("button", name="Cancel 2 jobs").click()
    page.get_by_text("2 jobs done, 0 refused").wait_for()
    assert status_of(site, first) == status_of(site, second) == "Failed"


def test_number_opens_its_job_wherever_the_focus_is(site: Site, new_page: NewPage) -> None:
    wanted, other = inserted(site, name="wanted"), inserted(site, name="other")
    page = new_page(site.url, "/jobs?q=name:other")
    for key in ("j", *str(wanted), "Enter"):  # the link of the other job has the focus
        page.keyboard.press(key)
    page.wait_for_url(f"{site.url}/jobs/{wanted}")
    assert status_of(site, other) != "Failed"


def test_all_that_match_are_held_in_batches(site: Site, new_page: NewPage) -> None:
    site.sql(
        "insert into asyncjob.job (job_name, schedule_time) select 'many', now() + interval '1 day' from generate_series(1, 2500)"
    )
    page = new_page(site.url, "/jobs?q=name:many")
    page.locator("#scope-all").check()
    page.locator(".bulk").get_by_role("button", name="Hold").click()
    dialog = page.locator("dialog[open]")
    dialog.get_by_label("Type hold").fill("hold")
    dialog.get_by_role("button", name="Hold all").click()
    page.locator("td[data-label=changed]", has_text=re.compile("^2500$")).wait_for()
    assert site.sql("select count(*) from asyncjob.job where job_name = 'many' and status = 'Hold'") == 2500


def test_action_is_paused_and_goes_on(site: Site, new_page: NewPage) -> None:
    page = new_page(site.url, "/actions/raises")
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("paused", exact=True).wait_for()
    assert "ann@example.com" in site.sql("select paused_by from asyncjob.action where name = 'raises'")
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Pause").wait_for()


def test_job_is_inserted_by_the_form_and_runs(site: Site, new_page: NewPage) -> None:
    page = new_page(site.url, "/actions/succeed", allowed=ALLOWED)
    page.locator("#params").fill('{"number": 1000000000000000000000000000001')
    page.get_by_role("button", name="Insert").click()
    page.get_by_text("are not JSON").wait_for()
    page.locator("#params").fill('{"number": 1000000000000000000000000000001}')
    page.get_by_role("button", name="Insert").click()
    expect_state(page, "completed")
    assert "1000000000000000000000000000001" in page.locator("#value-params").inner_text()


def test_names_that_cannot_be_seen_are_ordered_as_they_are(site: Site, new_page: NewPage) -> None:
    name = "a\u00a0b\u200d\u202e\nc"
    site.sql("insert into asyncjob.schedule (name, job_name, every) values ($1, 'succeed', '1 day')", name)
    page = new_page(site.url, "/schedule")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").wait_for()
    job_id = inserted(site, "Hold", "a\u200db")
    page.goto(f"{site.url}/jobs?q=name:a%E2%80%8Db")
    page.locator("#scope-all").check()
    page.locator(".bulk").get_by_role("button", name="Cancel").click()
    page.locator("dialog[open]").get_by_role("button", name="Cancel all").click()
    page.locator("td[data-label=changed]", has_text=re.compile("^1$")).first.wait_for()
    assert status_of(site, job_id) == "Failed"


def test_rejected_form_hands_back_what_was_sent(site: Site, new_page: NewPage) -> None:
    page = new_page(site.url, "/actions/succeed", allowed=ALLOWED)
    sent = {
        "#params": '{\n  "number": "\u00a0\U0001f3f4\U000e0067"\n}',
        "#due": "never",
        "#unique_key": "a\u200db",
    }
    for field, text in sent.items():
        page.locator(field).fill(text)
    page.get_by_role("button", name="Insert").click()
    page.get_by_text("is no time").wait_for()
    assert {field: page.locator(field).input_value() for field in sent} == sent
    page.get_by_role("link", name="6h").click()
    page.wait_for_url(f"{site.url}/actions/succeed?span=6h")
    assert page.locator("h1").inner_text() == "succeed"


def test_second_click_while_an_order_is_under_way_inserts_nothing(site: Site, new_page: NewPage) -> None:
    page = new_page(site.url, "/actions/block")
    page.locator("#params").fill('{"clicks": 2}')
    page.get_by_role("button", name="Insert").scroll_into_view_if_needed()
    box = page.get_by_role("button", name="Insert").bounding_box()
    place = box["x"] + 5, box["y"] + 5
    with site.locked("asyncjob.job"):
        with page.expect_request("**/actions"):
            page.mouse.click(*place)
        page.mouse.click(*place)
    page.wait_for_url("**/jobs/*")
    assert site.sql("select count(*) from asyncjob.job where params ? 'clicks'") == 1


def test_key_that_is_held_down_orders_nothing_on_the_next_page(site: Site, new_page: NewPage) -> None:
    job_id = inserted(site)
    page = new_page(site.url, "/help")
    page.keyboard.down("r")
    page.goto(f"{site.url}/jobs/{job_id}")
    page.keyboard.down("r")
    page.keyboard.up("r")
    page.keyboard.press("c")
    page.locator("dialog[open]").get_by_text("It ends as Failed").wait_for()
    assert status_of(site, job_id) == "Hold"


def test_viewer_who_forges_an_order_is_refused(site: Site, new_page: NewPage) -> None:
    job_id = inserted(site)
    page = new_page(site.url, "/", who="viewer", allowed=ALLOWED)
    for path, form in (
        (f"/jobs/{job_id}/cancel", {"was": "Hold"}),
        ("/orders", {"scope": "all"}),
        ("/actions", {"do": "pause"}),
    ):
        answer = page.evaluate(
            "([path, form]) => fetch(path, {method: 'POST', body: new URLSearchParams(form)}).then(answer => answer.status)",
            [path, form],
        )
        assert answer == 403
    assert status_of(site, job_id) == "Hold"
