"""Whatever rows say, it is text: nothing runs, nothing becomes an element, nothing hides."""

import json

import pytest

from tests.web.browser.conftest import NewPage, Site

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(2)>'
TEMPLATE = "{{7*7}}${7*7}<%= 7*7 %>"
TURNED = "gnp\u202eexe.\u2066 \x1b[31mred\x1b[0m \u200b."
HOSTILE = f"{SCRIPT}{IMAGE}{TEMPLATE}{TURNED}'\"javascript:alert(3)"
LARGE = 1_000_000  # characters
NUMBER = 10**30
PATHS = (
    "/",
    "/jobs",
    "/failures",
    "/daemons",
    "/schedule",
    "/actions/{name}",
    "/jobs/{id}",
    "/jobs/{large}",
    "/orders",
)


@pytest.fixture(scope="module")
def ids(site: Site) -> dict[str, object]:
    params = json.dumps({HOSTILE: [HOSTILE, {"number": NUMBER}]})
    site.sql("insert into asyncjob.action (name, handler, is_active, params_schema) values ($1, $1, true, $2)", HOSTILE, json.dumps({
        "type": "object", "description": HOSTILE, "properties": {HOSTILE: {"type": "string", "description": HOSTILE, "default": HOSTILE}},
    }))  # fmt: skip
    site.sql(
        "insert into asyncjob.daemon (id, name, host, boot_id, pid, process_start, version, actions, concurrency, lease_seconds)"
        " values (1, $1, $1, '', 1, 1, $1, array[$1], 3, 3600)",
        HOSTILE,
    )
    site.sql(
        "insert into asyncjob.schedule (name, job_name, every, problem) values ($1, $1, '1 day', null)",
        HOSTILE,
    )
    job_id = site.sql(
        "insert into asyncjob.job (job_name, params, status, unique_key, limit_key, traceparent)"
        " values ($1, $2, 'Hold', $1, $1, $1) returning id",
        HOSTILE,
        params,
    )
    large = site.sql(
        "insert into asyncjob.job (job_name, params, status) values ('large', $1, 'Hold') returning id",
        json.dumps({"x": "<b>" * (LARGE // 3)}),
    )
    site.sql(
        "with engine as materialized (select set_config('asyncjob.engine', 'on', true))"
        " update asyncjob.job set status = 'Failed', message = $2, traceback = $2, log = $2, progress_message = $2, hold_reason = null,"
        " result = to_jsonb($2::text), finished_at = now(), last_execution_status = $2, last_execution_time = now(), created_by = $2"
        " from engine where id = $1",
        job_id,
        HOSTILE,
    )
    assert site.sql("select message from asyncjob.job where status = 'Failed'") == HOSTILE
    return {"id": job_id, "large": large, "name": "%3Cscript%3Ealert(1)"}


@pytest.mark.parametrize("path", PATHS)
def test_hostile_text_is_shown_and_does_nothing(
    site: Site, ids: dict[str, object], new_page: NewPage, path: str
) -> None:
    if "{name}" in path:
        page = new_page(site.url, "/")
        page.locator("tbody th a").first.click()
    else:
        page = new_page(site.url, path.format_map(ids))
    assert page.locator("main script, main img, main iframe, main b").count() == 0
    assert page.locator("main a[href^='javascript']").count() == 0
    text = page.locator("body").inner_text()
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "49" not in page.locator("h1").inner_text()


def test_what_cannot_be_seen_is_marked(site: Site, ids: dict[str, object], new_page: NewPage) -> None:
    page = new_page(site.url, f"/jobs/{ids['id']}")
    marked = page.locator("#value-params .unseen").all_inner_texts()
    assert "\\u202e" in marked
    assert SCRIPT in page.locator("#value-params").inner_text()
    assert str(NUMBER) in page.locator("#value-params").inner_text()


def test_log_of_a_try_is_shown_as_it_is(site: Site, ids: dict[str, object], new_page: NewPage) -> None:
    page = new_page(site.url, f"/jobs/{ids['id']}")
    log = page.get_by_label("log", exact=True)
    assert not log.is_visible()
    page.locator("details > summary").first.click()
    assert SCRIPT in log.inner_text()
    assert "\\u202e" in log.locator(".unseen").all_inner_texts()


def test_large_value_is_cut_and_downloaded(site: Site, ids: dict[str, object], new_page: NewPage) -> None:
    page = new_page(site.url, f"/jobs/{ids['large']}")
    assert len(page.locator("#value-params").inner_text()) < 70_000
    link = page.get_by_role("link", name="download it")
    answer = page.request.get(link.evaluate("link => link.href"))
    assert len(answer.text()) > LARGE - 10
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
