"""Every page, for everybody, in light and dark, wide and narrow: nothing to find for axe-core, and nothing on the console."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import pytest

from tests.support.daemon import DaemonProcess
from tests.web.browser.conftest import NewPage, Site

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
RUN = """
only => axe.run(only ? {runOnly: only, resultTypes: ['violations']} : {resultTypes: ['violations']}).then(found =>
    found.violations.map(each => `${each.id}: ${each.help}: ` + each.nodes.slice(0, 3).map(
        node => node.html.slice(0, 200) + node.any.map(why => why.message)).join(' | ')))
"""
BY_LOOK = [
    "color-contrast",
    "target-size",
    "scrollable-region-focusable",
    "link-in-text-block",
]  # what styles change
LOOKS = [(scheme, width) for scheme in ("light", "dark") for width in (1280, 360)]
VIEWER_LOOKS = [("light", 1280), ("dark", 360)]
PATHS = (
    "/", "/jobs", "/jobs?q=status:Failed", "/jobs?q=status:what", "/jobs/{failed}", "/jobs/{held}", "/jobs/{running}",
    "/failures", "/actions/succeed", "/schedule", "/daemons", "/tree/{held}", "/graph/{waiting}", "/history", "/database", "/orders", "/help",
    "/help/runbook/job_does_not_start", "/nowhere",
)  # fmt: skip
OPERATOR_PATHS = (
    "/jobs/{running}/cancel",
    "/orders/new?order=cancel&scope=all",
    "/orders/new?order=hold&id={held}",
)
MAX_FIRST_LOAD = 150_000  # bytes
ALLOWED = ("404", "409", "400", "403")  # the browser itself tells of these


@pytest.fixture(scope="module")
def ids(site: Site, module_daemon: DaemonProcess) -> dict[str, int]:
    """Jobs in different states, by what they show."""
    failed = site.sql(
        'insert into asyncjob.job (job_name, params, max_execution_count) values (\'raises\', \'{"to": "a@b.c", "password": "x"}\', 1) returning id'
    )
    held = site.sql(
        "insert into asyncjob.job (job_name, params, status) values ('succeed', '[1, 2]', 'Hold') returning id"
    )
    running = site.sql("insert into asyncjob.job (job_name) values ('block') returning id")
    site.sql(
        "insert into asyncjob.job (job_name, schedule_time) values ('succeed', now() + interval '1 day')"
    )
    waiting = site.sql(
        "insert into asyncjob.job (job_name, waits_for) values ('succeed', array[$1::bigint]) returning id",
        held,
    )
    module_daemon.wait_for("job.failed", job_id=failed)
    module_daemon.wait_for("job.started", job_id=running)
    return {"failed": failed, "held": held, "running": running, "waiting": waiting}


@pytest.mark.parametrize("path", [*PATHS, *OPERATOR_PATHS])
def test_page_is_accessible_in_all_its_looks(
    site: Site, ids: dict[str, int], new_page: NewPage, path: str
) -> None:
    page = new_page(site.url, path.format_map(ids), allowed=ALLOWED)
    found = found_by_axe(page)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", PATHS)
def test_page_of_a_viewer_is_accessible(
    site: Site, ids: dict[str, int], new_page: NewPage, path: str
) -> None:
    page = new_page(site.url, path.format_map(ids), who="viewer", allowed=ALLOWED)
    assert page.locator("[data-order], main form[method=post]").count() == 0
    found = found_by_axe(page, VIEWER_LOOKS)
    assert not found, "\n".join(found)


def found_by_axe(page: Any, looks: Sequence[tuple[str, int]] = LOOKS) -> list[str]:
    """Return what axe finds in a page, by what it looks like: all in the first look, what styles change in others."""
    page.evaluate(AXE)
    found = []
    for scheme, width in looks:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        rules = None if (scheme, width) == looks[0] else BY_LOOK
        found += [f"{scheme} {width}: {each}" for each in page.evaluate(RUN, rules)]
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append(f"{scheme} {width}: scrolls sideways")
    return found


def test_pages_say_the_same_without_javascript(site: Site, ids: dict[str, int], new_page: NewPage) -> None:
    narrow = {"width": 360, "height": 800}
    page = new_page(site.url, java_script_enabled=False, viewport=narrow, allowed=ALLOWED)
    for path in PATHS:
        page.goto(site.url + path.format_map(ids))
        assert page.locator("h1").count() == 1, path
        assert page.get_by_role("link", name="Overview").is_visible(), path
        assert not page.locator("#banner").is_visible(), path


def test_first_load_is_small_and_from_one_host(site: Site, ids: dict[str, int], new_page: NewPage) -> None:
    page = new_page(site.url, "/")
    sizes = page.evaluate(
        "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".filter(each => each.initiatorType !== 'fetch').map(each => each.transferSize)"
    )
    assert 10_000 < sum(sizes) <= MAX_FIRST_LOAD


def test_hidden_fields_are_on_no_page(site: Site, ids: dict[str, int], new_page: NewPage) -> None:
    page = new_page(site.url, f"/jobs/{ids['failed']}")
    assert page.locator("#value-params").inner_text() == '{\n  "to": "a@b.c",\n  "password": (hidden)\n}'
    answer = page.request.get(f"{site.url}/jobs/{ids['failed']}", headers={"Accept": "application/json"})
    assert answer.json()["job_name"] == "raises"
    assert '"x"' not in answer.text()
    whole = page.request.get(f"{site.url}/jobs/{ids['failed']}/value/params")
    assert whole.text() == '{"to": "a@b.c", "password": (hidden)}'
    assert whole.headers["content-disposition"].startswith("attachment")


def test_theme_that_was_chosen_stays(site: Site, new_page: NewPage) -> None:
    page = new_page(site.url, "/", color_scheme="light")
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.goto(f"{site.url}/jobs")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
