"""A link opens the page once, in a browser of whoever asked for it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from itsdangerous import URLSafeTimedSerializer

from asyncjobd.web import sessions
from asyncjobd.web.links import LIFE_SECONDS, MOST_PENDING, Links
from asyncjobd.web.sessions import Sessions
from tests.cli.commands import printed, run
from tests.support.daemon import DaemonProcess, needs_root
from tests.support.web import TCP, Answer, WebProcess, web_config

LOOKS = "games"
SAME_ORIGIN = {"Sec_Fetch_Site": "same-origin", "Content_Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def page(module_dsn: str, open_folder: Path) -> Iterator[WebProcess]:
    yield WebProcess(web_config(open_folder, module_dsn, viewers=[LOOKS])).ready()
    DaemonProcess.kill_all()


def link_of(page: WebProcess, user: str = "root") -> str:
    """Return what comes after the host of a new link of this user."""
    answer = page.ask("/link", user=user, method="POST")
    assert answer.status == 200, answer
    url = re.search(r'"url":"(http://127\.0\.0\.1:\d+)(/login\?token=[\w-]+)"', answer.text)
    assert url is not None
    assert url[1] == page.address
    return url[2]


def pressed(page: WebProcess, link: str) -> Answer:
    """Return the answer to the button of a link."""
    return page.ask("/login", user=TCP, method="POST", body=link.partition("?")[2], **SAME_ORIGIN)


@needs_root
def test_link_opens_the_page_as_who_asked_for_it(page: WebProcess) -> None:
    link = link_of(page, LOOKS)
    asked = page.ask(link, user=TCP, Accept="text/html")
    assert f"<b>{LOOKS}</b>" in asked.text
    opened = pressed(page, link)
    assert (opened.status, opened.headers["Location"]) == (303, "/")
    cookie, *attributes = opened.headers["Set-Cookie"].split("; ")
    assert set(attributes) == {"HttpOnly", "Max-Age=43200", "Path=/", "SameSite=strict"}
    seen = page.ask(user=TCP, Cookie=cookie)
    assert seen.status == 200
    assert LOOKS in seen.text
    assert not seen.may_order
    assert page.ask(user="bin", Cookie=cookie).status == 403  # who is at the socket counts


@needs_root
def test_link_works_once(page: WebProcess) -> None:
    link = link_of(page)
    assert page.ask(link, user=TCP).status == 200  # a preview does not use it up
    assert pressed(page, link).status == 303
    for answer in (pressed(page, link), page.ask(link, user=TCP)):
        assert answer.status == 403
        assert "this link was opened before, or is older than 60 s" in answer.text


def test_link_ends_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("asyncjobd.web.links.monotonic", lambda: now)
    links = Links()
    first = links.new(7)
    now += LIFE_SECONDS - 1
    assert links.uid_of(first) == 7
    now += 1
    assert links.uid_of(first) is None
    assert links.take(first) is None


def test_links_that_nobody_opens_do_not_pile_up() -> None:
    links = Links()
    tokens = [links.new(number) for number in range(MOST_PENDING + 1)]
    assert links.uid_of(tokens[0]) is None
    assert links.uid_of(tokens[-1]) == MOST_PENDING


@needs_root
@pytest.mark.parametrize("cookie", ["", "x", "MA.Z.x", "MA"])
def test_forged_cookie_is_nobody(page: WebProcess, cookie: str) -> None:
    name = pressed(page, link_of(page)).headers["Set-Cookie"].partition("=")[0]
    assert page.ask(user=TCP, Cookie=f"{name}={cookie}").status == 403


def test_cookie_of_another_key_or_purpose_is_nobody() -> None:
    ours = Sessions(b"k" * 32)
    assert ours.uid_of(ours.sign(7)) == 7
    assert ours.uid_of(Sessions(b"o" * 32).sign(7)) is None
    assert ours.uid_of(URLSafeTimedSerializer(b"k" * 32, salt="another").dumps(7)) is None
    payload, *rest = ours.sign(7).split(".")
    assert ours.uid_of(".".join(["MA", *rest])) is None, payload


def test_session_ends_after_12_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Sessions(b"k" * 32)
    cookie = ours.sign(7)
    monkeypatch.setattr(sessions, "LIFE_SECONDS", -1)
    assert ours.uid_of(cookie) is None


@needs_root
def test_cookie_is_secure_behind_https(module_dsn: str, open_folder: Path) -> None:
    config = web_config(
        open_folder / "https", module_dsn, user_header="Remote-User", proxy_users=["www-data"], viewers=["*"]
    )
    page = WebProcess(config).ready()
    link = link_of(page)
    answer = page.ask(
        "/login", user="www-data", method="POST", body=link.partition("?")[2], X_Forwarded_Proto="https",
        X_Forwarded_Prefix="/jobs", **SAME_ORIGIN,
    )  # fmt: skip
    assert answer.headers["Location"] == "/jobs/"
    assert {"Secure", "Path=/jobs/"} <= set(answer.headers["Set-Cookie"].split("; "))


@needs_root
def test_command_prints_a_link(page: WebProcess) -> None:
    url = printed(page.config, "web", "link", "--socket", str(page.path)).strip()
    assert page.ask(url.removeprefix(page.address), user=TCP).status == 200


@needs_root
def test_command_says_why_it_prints_none(page: WebProcess, tmp_path: Path) -> None:
    answer = page.ask("/link", user="bin", method="POST")
    assert answer.text == "bin may not look: [web] viewers and operators name who may\n"
    nowhere = run(page.config, "web", "link", "--socket", str(tmp_path / "none"))
    assert nowhere.returncode == 69
    assert "none: No such file or directory: start `asyncjobd web`, or name its --socket" in nowhere.stderr


@needs_root
def test_tokens_and_cookies_are_not_logged(page: WebProcess) -> None:
    link = link_of(page)
    cookie = pressed(page, link).headers["Set-Cookie"].partition("=")[2].partition(";")[0]
    page.ask(user=TCP, Cookie=f"x={cookie}")
    page.wait_for("web.session_begun")
    log = page.log.read_text() + page.errors.read_text()
    assert link.partition("token=")[2] not in log
    assert cookie not in log
