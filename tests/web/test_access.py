"""Who may look and who may order, by the kernel's word over the socket and a proxy's; over real sockets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import DaemonProcess, needs_root
from tests.support.web import TCP, WebProcess, style_of, web_config

pytestmark = needs_root

PROXY, LOOKS, ORDERS, STRANGER = "www-data", "games", "backup", "bin"


@pytest.fixture(scope="module")
def page(module_dsn: str, open_folder: Path) -> Iterator[WebProcess]:
    config = web_config(
        open_folder, module_dsn, hosts=["jobs.example.com"], user_header="Remote-User", groups_header="Remote-Groups",
        proxy_users=[PROXY, "no-such-proxy"], viewers=[LOOKS, "ann", "group:readers"], operators=[ORDERS, "group:operators"],
    )  # fmt: skip
    yield WebProcess(config).ready()
    DaemonProcess.kill_all()


def test_user_who_runs_it_and_root_may_order(page: WebProcess) -> None:
    answer = page.ask()
    assert answer.may_order
    assert "root" in answer.text


def test_users_of_the_lists_may_look_or_order(page: WebProcess) -> None:
    looks, orders = page.ask(user=LOOKS), page.ask(user=ORDERS)
    assert (looks.status, orders.status) == (200, 200)
    assert LOOKS in looks.text
    assert (looks.may_order, orders.may_order) == (False, True)


def test_user_of_no_list_is_told_which_list_it_is(page: WebProcess) -> None:
    answer = page.ask(user=STRANGER)
    assert answer.status == 403
    assert answer.text == "bin may not look: [web] viewers and operators name who may\n"


def test_browser_gets_the_reason_as_a_page(page: WebProcess) -> None:
    answer = page.ask(user=STRANGER, Accept="text/html")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<title>Forbidden · asyncjobd</title>" in answer.text
    assert "bin may not look" in answer.text
    assert '<a href="">Load again</a>' in answer.text  # a link from elsewhere left out the cookie


def test_nobody_over_tcp_is_told_how_to_get_a_link(page: WebProcess) -> None:
    answer = page.ask(user=TCP)
    assert answer.status == 403
    assert "`asyncjobd web link` prints a link" in answer.text


def test_uid_that_stands_for_unknown_users_is_nobody(page: WebProcess) -> None:
    assert page.ask(user="nobody").status == 403
    assert page.ask(user="nobody", method="POST", target="/link").status == 403


def test_style_is_for_everybody_as_refusals_have_it_too(page: WebProcess) -> None:
    refused = page.ask(user=TCP, Accept="text/html").text
    assert page.ask(style_of(refused), user=TCP).status == 200
    for other in ("/static/nothing", "/static/../jobs", "/static/%2e%2e/jobs"):
        assert page.ask(other, user=TCP).status == 403


def test_proxy_names_the_user(page: WebProcess) -> None:
    answer = page.ask(user=PROXY, Remote_User="ann")
    assert answer.status == 200
    assert "ann" in answer.text
    assert page.ask(user=PROXY, Remote_User="bob").status == 403


def test_proxy_names_the_groups(page: WebProcess) -> None:
    looks = page.ask(user=PROXY, Remote_User="bob", Remote_Groups="staff, readers")
    orders = page.ask(user=PROXY, Remote_User="eve", Remote_Groups="operators")
    assert (looks.status, orders.status) == (200, 200)
    assert (looks.may_order, orders.may_order) == (False, True)


def test_root_by_name_of_a_proxy_is_not_the_root_of_this_machine(page: WebProcess) -> None:
    assert page.ask(user=PROXY, Remote_User="root").status == 403


def test_proxy_that_names_nobody_lets_nobody_in(page: WebProcess) -> None:
    """The user of the proxy is not who looks: else its visitors would be that user."""
    assert page.ask(user=PROXY).status == 403
    assert page.ask(user=PROXY, Remote_User="").status == 403


@pytest.mark.parametrize("name", ["ann,root", "a\tb", "x" * 201])
def test_names_that_cannot_be_are_nobody(page: WebProcess, name: str) -> None:
    assert page.ask(user=PROXY, Remote_User=name).status == 403


def test_names_are_utf_8(page: WebProcess) -> None:
    assert (
        "Zoë"
        in page.ask(user=PROXY, Remote_User="Zoë".encode().decode("latin-1"), Remote_Groups="readers").text
    )
    assert page.ask(user=PROXY, Remote_User="Zo\xeb", Remote_Groups="readers").status == 403


def test_proxy_that_is_not_there_is_logged(page: WebProcess) -> None:
    page.wait_for("web.no_such_proxy", user="no-such-proxy")


def test_two_names_are_nobody(page: WebProcess) -> None:
    connection = page.connected(PROXY)
    connection.sendall(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nRemote-User: bob\r\nRemote-User: ann\r\nConnection: close\r\n\r\n"
    )
    assert connection.recv(4096).startswith(b"HTTP/1.1 403 ")
    connection.close()


@pytest.mark.parametrize("user", [TCP, LOOKS, ORDERS, "root", "nobody"])
@pytest.mark.parametrize("header", ["Remote_User", "Remote_Groups", "remote_user"])
def test_header_from_anybody_but_a_proxy_is_refused(page: WebProcess, user: str, header: str) -> None:
    answer = page.ask(user=user, **{header: "ann"})
    assert answer.status == 400
    assert "only over the socket, from [web] proxy_users" in answer.text


def test_page_is_below_the_path_that_a_proxy_takes_off(page: WebProcess) -> None:
    answer = page.ask(user=PROXY, Remote_User="ann", X_Forwarded_Prefix="/jobs/")
    assert answer.status == 200
    assert 'href="/jobs/static/' in answer.text
    assert page.ask("/jobs", user=PROXY, Remote_User="ann", X_Forwarded_Prefix="/jobs").status in {200, 404}


@pytest.mark.parametrize("prefix", ["//evil.example", "/a b", '/a"onload=', "evil"])
def test_path_that_is_none_is_left_out(page: WebProcess, prefix: str) -> None:
    answer = page.ask(user=PROXY, Remote_User="ann", X_Forwarded_Prefix=prefix)
    assert 'href="/static/' in answer.text
    assert prefix not in answer.text


def test_path_of_anybody_but_a_proxy_is_left_out(page: WebProcess) -> None:
    assert 'href="/static/' in page.ask(user=LOOKS, X_Forwarded_Prefix="/jobs").text


def test_nothing_secret_is_logged(page: WebProcess) -> None:
    page.ask("/?q=params.card:card-of-ann", user=LOOKS, Cookie="asyncjobd-1=verysecret")
    page.wait_for("web.request", status=200)
    page.ask(user=TCP, Authorization="Bearer verysecret")
    log = page.log.read_text() + page.errors.read_text()
    assert "verysecret" not in log
    assert "card-of-ann" not in log
