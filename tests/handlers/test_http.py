"""The handler `Http`: a real daemon, a real server, and rows that mean harm."""

import asyncio
import base64
import hashlib
import hmac
import json
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

import anyio
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncjobd.actions.handlers import OptionsError, load_handler
from asyncjobd_handlers.http import client as http_client
from asyncjobd_handlers.http.hosts import AllowedHosts, HostError, Origin
from asyncjobd_handlers.http.url import UrlTemplate
from tests.conftest import NewDaemon
from tests.support.certificate import make_certificate, needs_openssl
from tests.support.daemon import DaemonProcess
from tests.support.http_server import HttpServer, answers, endless
from tests.support.jobs import Connection, Row, executions, insert, settled, unowned, until

pytestmark = pytest.mark.anyio

VALUES = {  # and how each is written in a url
    "@evil.example": "%40evil.example",
    "//evil.example": "%2F%2Fevil.example",
    "\\\\evil.example": "%5C%5Cevil.example",
    "a\r\nX-Evil: 1": "a%0D%0AX-Evil%3A%201",
    "a?b#c": "a%3Fb%23c",
    "%2e%2e": "%252e%252e",
    "\uff0e\uff0e": "%EF%BC%8E%EF%BC%8E",
    "{since}": "%7Bsince%7D",
}
MISFITS: list[tuple[Any, str]] = [
    ({"user": "..", "since": 1}, "leads elsewhere"),
    ({"user": "../admin", "since": 1}, "leads elsewhere"),
    ({"user": "a\\..\\b", "since": 1}, "leads elsewhere"),
    ({"user": "", "since": 1}, "a param of the path is empty"),
    ({"user": "a"}, "'since' is missing"),
    ({"user": ["a"], "since": 1}, "'user' is a list: expected text"),
    ([1], "expected `object`, got `array`"),
]
URLS = [  # {port} is a server's of this machine, for which a pattern is allowed
    "https://{web}/",
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://127.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f.0.0.1:{port}/",
    "http://[::1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://169.254.169.254:{port}/",
    "http://127.0.0.1。evil.example/",
    "http://a..evil.example/",
    f"http://{'a' * 70}.evil.example/",
    "http://127\u30020\u30020\u30021:{port}/",
    "http://{web}@evil.example/",
    "http://evil.example\\@{web}/",
    "http://evil.example/{web}",
    "http://{web} .evil.example/",
    "http://{web}\r\nHost: evil.example/",
    "//{web}/",
    "file:///etc/passwd",
    "gopher://{web}/",
    "",
]

SECRET = "whsec_" + base64.b64encode(b"a secret of ours").decode()


@pytest.fixture
def web() -> Iterator[HttpServer]:
    with HttpServer().serving() as web:
        yield web


@pytest.fixture
def elsewhere() -> Iterator[HttpServer]:
    with HttpServer().serving() as elsewhere:
        yield elsewhere


@pytest.fixture
def daemon(start_daemon: NewDaemon, web: HttpServer, elsewhere: HttpServer) -> DaemonProcess:
    here = f"http://{web.host}"
    options: dict[str, Any] = {
        "call": {"url": f"{here}/users/{{user}}/orders?since={{since}}"},
        "post": {"url": f"{here}/", "headers": {"Authorization": "Bearer ${API_TOKEN}", "X-Team": "blue"}},
        "foreign": {"url": f"{here}/", "headers": {"X-Name": "${FOREIGN_NAME}"}},
        "unset": {"url": f"{here}/", "headers": {"Authorization": "Bearer ${NOT_SET}"}},
        "get": {"url": f"{here}/{{path}}", "method": "GET", "success": [200, 404]},
        "signed": {"url": f"{here}/", "sign_with": "${SIGNING_SECRET}", "body": "payload"},
        "hook": {"url": "{url}", "allowed_hosts": [f"http://{web.host}", f"http://*:{elsewhere.port}"]},
        "follows": {"url": f"{here}/", "redirects": 2},
        "moves": {
            "url": f"{here}/",
            "redirects": 1,
            "headers": {"X-Api-Key": "${API_TOKEN}"},
            "allowed_hosts": [f"http://{elsewhere.host}"],
        },
        "impatient": {"url": f"{here}/", "timeout": "1 s"},
        "small": {"url": f"{here}/", "keep_bytes": 1000},
    }
    actions = {
        name: {"handler": "asyncjobd_handlers.http:Http", "options": each, "retry_interval": "10 ms"}
        for name, each in options.items()
    }
    actions["nowhere"] = actions["post"] | {
        "options": {"url": "http://127.0.0.1:1/"},
        "max_execution_count": 2,
    }
    return start_daemon(
        actions=actions,
        environment={"API_TOKEN": "t0ken\n", "FOREIGN_NAME": "J\u00f6rg", "SIGNING_SECRET": SECRET},
    ).ready()


def result(row: Row) -> Any:
    return json.loads(row["result"])


async def test_params_are_sent_as_json_and_the_answer_is_kept(
    db: Connection, daemon: DaemonProcess, web: HttpServer
) -> None:
    web.answers.append(answers(201, {"id": 7}, {"X-Request-Id": "r1", "Set-Cookie": "a=b"}))
    done = await settled(db, await insert(db, "post", '{"to": "é"}'))
    assert (done["status"], done["message"]) == ("Completed", "201 Created")
    headers = {"Content-Type": "application/json", "X-Request-Id": "r1"}
    assert result(done) == {"status": 201, "headers": headers, "json": {"id": 7}}
    (request,) = web.received
    assert (request.method, request.path, json.loads(request.body)) == ("POST", "/", {"to": "é"})
    assert (request.headers["authorization"], request.headers["x-team"]) == ("Bearer t0ken", "blue")
    await settled(db, await insert(db, "post"))
    assert "cookie" not in web.received[1].headers, "one job's cookie is sent with another's request"
    assert "t0ken" not in daemon.log.read_text()


async def test_jobs_share_connections(db: Connection, daemon: DaemonProcess, web: HttpServer) -> None:
    for _ in range(3):
        await settled(db, await insert(db, "post"))
    assert len({request.peer for request in web.received}) == 1


async def test_connections_are_closed_where_there_is_nothing_to_do(
    web: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a reload, which makes new ones."""
    monkeypatch.setattr(http_client, "IDLE", 0.05)
    shared = http_client.SharedClient(
        AllowedHosts([Origin.parse(f"http://{web.host}")]), ssl.create_default_context()
    )
    async with shared.use() as first:
        await first.get(f"http://{web.host}/")
    async with shared.use() as second:
        assert second is first
        await asyncio.sleep(0.1)  # an older time-out does not close what is in use
        assert not first.is_closed
    with anyio.fail_after(5):
        while not first.is_closed:
            await asyncio.sleep(0.01)
    async with shared.use() as third:
        assert (await third.get(f"http://{web.host}/")).status_code == 200
        await third.aclose()


async def test_success_is_what_the_options_say(
    db: Connection, daemon: DaemonProcess, web: HttpServer
) -> None:
    web.answers.append(answers(404, b"no \0 such"))
    done = await settled(db, await insert(db, "get", '{"path": "x"}'))
    assert (done["status"], result(done)["text"]) == ("Completed", "no \ufffd such")
    assert (web.received[0].method, web.received[0].body) == ("GET", b"")


async def test_refusal_is_for_good_and_a_failure_is_retried(
    db: Connection, daemon: DaemonProcess, web: HttpServer
) -> None:
    for status, ends, tries in (
        (400, "fatal_error", 1),
        (401, "fatal_error", 1),
        (500, "failed", 5),
        (408, "failed", 5),
    ):
        web.received.clear()
        web.answers.extend([answers(status, {"why": "so"})] * tries)
        done = await settled(db, await insert(db, "post"))
        assert (done["status"], done["last_execution_status"], len(web.received)) == ("Failed", ends, tries)
        assert result(done)["json"] == {"why": "so"}


async def test_retries_carry_the_same_key_and_another_occurrence_another(
    db: Connection, daemon: DaemonProcess, web: HttpServer
) -> None:
    web.answers.extend([answers(500), answers(503), answers(200)])
    job = await insert(db, "post")
    await settled(db, job)
    await db.execute("update asyncjob.job set status = 'In Progress' where id = $1", job)
    await until(db, job, lambda row: row["execution_total"] == 4 and row["daemon_id"] is None)
    await settled(db, await insert(db, "post"))
    first, second, third, again, another = (request.headers["idempotency-key"] for request in web.received)
    assert first == second == third
    assert len({first, again, another}) == 3


async def test_recursive_job_has_a_key_for_each_time_on_its_grid(
    db: Connection, daemon: DaemonProcess, web: HttpServer
) -> None:
    web.answers.extend([answers(429, headers={"Retry-After": "1"}), answers(200), answers(500), answers(403)])
    job = await insert(db, "post", is_recursive="true", retry_interval="interval '100 ms'")
    await settled(db, job)
    first, retried, second, third = (request.headers["idempotency-key"] for request in web.received)
    assert first == retried
    assert len({first, second, third}) == 3


async def test_tries_that_a_client_or_a_daemons_stop_cut_off_carry_the_same_key(
    db: Connection, start_daemon: NewDaemon, web: HttpServer, elsewhere: HttpServer
) -> None:
    post = {"handler": "asyncjobd_handlers.http:Http", "options": {"url": f"http://{web.host}/"}}
    web.answers.extend([web.waits, web.waits])
    daemon = start_daemon(actions={"post": post}, shutdown_grace="0.1 s").ready()
    job = await insert(db, "post")
    await until(db, job, lambda _: len(web.received) == 1)
    await db.execute("update asyncjob.job set status = 'Hold' where id = $1", job)
    await until(db, job, lambda row: row["daemon_id"] is None)
    await db.execute("update asyncjob.job set status = 'Queued' where id = $1", job)
    await until(db, job, lambda _: len(web.received) == 2)
    assert daemon.stop() == 0
    start_daemon(actions={"post": post}).ready()
    await settled(db, job)
    first, *others = (request.headers["idempotency-key"] for request in web.received)
    assert others == [first, first]


async def test_retry_after_is_honoured(db: Connection, daemon: DaemonProcess, web: HttpServer) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    for status, asked in ((429, "100"), (503, "100"), (429, date), (503, date)):
        web.answers.append(answers(status, headers={"Retry-After": asked}))
        waits = await unowned(db, await insert(db, "post"), "Queued")
        assert waits["last_execution_status"] == "retry_later"
        assert 80 < (waits["due_at"] - waits["last_execution_time"]).total_seconds() <= 101


async def test_retry_after_that_makes_no_sense_is_bounded(
    db: Connection, daemon: DaemonProcess, web: HttpServer
) -> None:
    for asked, seconds in (
        ("999999999", 86400),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86400),
        ("0", 1),
        ("Fri, 1 Jan 1999 00:00:00 GMT", 1),
    ):
        web.answers.append(answers(503, headers={"Retry-After": asked}))
        waits = await unowned(db, await insert(db, "post"), "Queued")
        assert (waits["due_at"] - waits["last_execution_time"]).total_seconds() == pytest.approx(
            seconds, abs=0.001
        )
    for asked in ("9" * 5000, "soon", "-5", "", "Mon, 01 Jan 2030 00:00:00 +99999999999999999"):
        web.answers.append(answers(503, headers={"Retry-After": asked}))
        job = await insert(db, "post")
        await settled(db, job)
        (first,) = await executions(db, job)
        assert first["message"] == "503 Service Unavailable"


async def test_signature_can_be_verified(db: Connection, daemon: DaemonProcess, web: HttpServer) -> None:
    await settled(db, await insert(db, "signed", '{"payload": {"a": [1, 2]}, "internal": "x"}'))
    (request,) = web.received
    assert json.loads(request.body) == {"a": [1, 2]}
    key, stamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    signed = f"{key}.{stamp}.".encode() + request.body
    expected = base64.b64encode(hmac.digest(b"a secret of ours", signed, hashlib.sha256)).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"
    assert key == request.headers["idempotency-key"]
    assert abs(int(stamp) - datetime.now(UTC).timestamp()) < 60
    failed = await settled(db, await insert(db, "signed", '{"internal": "x"}'))
    assert (failed["last_execution_status"], "'payload' is missing" in failed["message"]) == (
        "fatal_error",
        True,
    )


async def test_secret_that_no_header_can_have_is_said_and_not_shown(
    db: Connection, daemon: DaemonProcess, web: HttpServer
) -> None:
    failed = await settled(db, await insert(db, "foreign"))
    assert failed["message"] == "the header X-Name is with its secret no line of ASCII"
    assert (failed["traceback"], web.received) == (None, [])


async def test_secret_that_is_not_there_is_waited_for(db: Connection, daemon: DaemonProcess) -> None:
    failed = await settled(db, await insert(db, "unset"))
    assert (failed["last_execution_status"], failed["traceback"]) == ("failed", None)
    assert failed["message"] == "${NOT_SET} is neither a credential of this unit nor an environment variable"


async def test_credential_goes_before_the_environment(
    db: Connection, start_daemon: NewDaemon, web: HttpServer, tmp_path: Path
) -> None:
    (tmp_path / "API_TOKEN").write_text("of the unit\n")
    options = {"url": f"http://{web.host}/", "headers": {"X-Token": "${API_TOKEN}"}}
    action = {"handler": "asyncjobd_handlers.http:Http", "options": options}
    environment = {"API_TOKEN": "of the shell", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    start_daemon(actions={"post": action}, environment=environment).ready()
    await settled(db, await insert(db, "post"))
    assert web.received[0].headers["x-token"] == "of the unit"


async def test_slow_server_does_not_hold_a_slot_for_ever(
    db: Connection, daemon: DaemonProcess, web: HttpServer
) -> None:
    web.answers.append(web.waits)
    job = await insert(db, "impatient")
    assert (await settled(db, job))["status"] == "Completed"
    (first,) = await executions(db, job)
    assert (first["status"], first["message"]) == ("failed", "no answer of 127.0.0.1 within 1 s")


async def test_connection_refused_is_retried(db: Connection, daemon: DaemonProcess) -> None:
    failed = await settled(db, await insert(db, "nowhere"))
    assert (failed["last_execution_status"], failed["execution_count"]) == ("failed", 2)
    assert failed["message"].startswith("no answer of 127.0.0.1: ConnectError: ")


async def test_endless_answer_fills_no_memory(db: Connection, daemon: DaemonProcess, web: HttpServer) -> None:
    web.answers.append(endless)
    done = await settled(db, await insert(db, "small"))
    assert done["status"] == "Completed"
    assert (result(done)["text"], result(done)["is_cut"]) == ("x" * 1000, True)


async def test_json_that_no_row_can_hold_is_kept_as_text(
    db: Connection, daemon: DaemonProcess, web: HttpServer
) -> None:
    for body in (b'"\\u0000"', b'"\\ud800"', b"[" * 60000, b"{", b"\xff", b"1" * 5000, b""):
        web.answers.append(answers(200, body, {"Content-Type": "application/json"}))
        done = await settled(db, await insert(db, "post"))
        assert (done["status"], done["message"]) == ("Completed", "200 OK"), body
        assert result(done)["text"] == body.decode(errors="replace")


async def test_param_stays_in_its_place(db: Connection, daemon: DaemonProcess, web: HttpServer) -> None:
    for value, path in VALUES.items():
        done = await settled(db, await insert(db, "call", json.dumps({"user": value, "since": value})))
        assert done["status"] == "Completed", done["message"]
        request = web.received[-1]
        assert request.path == f"/users/{path}/orders?since={path}"
        assert (request.headers["host"], "x-evil" in request.headers) == (web.host, False)


async def test_param_that_leads_elsewhere_is_refused(
    db: Connection, daemon: DaemonProcess, web: HttpServer
) -> None:
    for params, reason in MISFITS:
        failed = await settled(db, await insert(db, "call", json.dumps(params)))
        assert failed["last_execution_status"] == "fatal_error"
        assert reason in failed["message"]
    assert web.received == []


async def test_url_of_a_row_goes_where_it_may(db: Connection, daemon: DaemonProcess, web: HttpServer) -> None:
    done = await settled(db, await insert(db, "hook", json.dumps({"url": f"http://{web.host}/a/b?c=d"})))
    assert (done["status"], web.received[0].path) == ("Completed", "/a/b?c=d")


async def test_url_of_a_row_cannot_leave_the_allowed_hosts(
    db: Connection, daemon: DaemonProcess, web: HttpServer, elsewhere: HttpServer
) -> None:
    for url in URLS:
        url = url.replace("{web}", web.host).replace("{port}", str(elsewhere.port))
        failed = await settled(db, await insert(db, "hook", json.dumps({"url": url})))
        assert failed["last_execution_status"] == "fatal_error", (url, failed["message"])
    assert web.received == elsewhere.received == []


async def test_redirect_is_followed_to_allowed_hosts_only(
    db: Connection, daemon: DaemonProcess, web: HttpServer, elsewhere: HttpServer
) -> None:
    def moved(to: str) -> Any:
        return answers(307, headers={"Location": to})

    web.answers.extend([moved("/there"), answers(200)])
    assert (await settled(db, await insert(db, "follows", '{"a": 1}')))["status"] == "Completed"
    assert [(each.path, each.body) for each in web.received] == [("/", b'{"a":1}'), ("/there", b'{"a":1}')]

    web.answers.append(moved(f"http://{elsewhere.host}/"))
    failed = await settled(db, await insert(db, "follows"))
    assert (failed["last_execution_status"], elsewhere.received) == ("fatal_error", [])
    assert failed["message"] == f"http://{elsewhere.host} is not in allowed_hosts"

    web.answers.append(moved(f"http://{elsewhere.host}/"))
    assert (await settled(db, await insert(db, "moves")))["status"] == "Completed"
    assert web.received[-1].headers["x-api-key"] == "t0ken"
    assert "x-api-key" not in elsewhere.received[0].headers, (
        "what is configured for one server is told to another"
    )

    web.answers.extend([moved("/")] * 3)
    assert "it is not followed" in (await settled(db, await insert(db, "follows")))["message"]
    web.answers.append(moved("/there"))
    failed = await settled(db, await insert(db, "post"))
    assert (failed["last_execution_status"], failed["message"]) == (
        "fatal_error", "307 Temporary Redirect, to /there: it is not followed",
    )  # fmt: skip


@needs_openssl
async def test_certificate_is_verified(db: Connection, start_daemon: NewDaemon, tmp_path: Path) -> None:
    certificate, tls = make_certificate(tmp_path, "IP:127.0.0.1")
    with HttpServer(tls).serving() as web:
        options = {"url": f"https://{web.host}/"}
        action = {"handler": "asyncjobd_handlers.http:Http", "options": options, "max_execution_count": 1}
        trusting = action | {"options": options | {"ca_file": str(certificate)}}
        misled = action | {"options": {"url": f"https://localhost:{web.port}/", "ca_file": str(certificate)}}
        start_daemon(actions={"doubting": action, "trusting": trusting, "misled": misled}).ready()
        assert (await settled(db, await insert(db, "trusting")))["status"] == "Completed"
        for name in ("doubting", "misled"):
            failed = await settled(db, await insert(db, name))
            assert (failed["last_execution_status"], "CERTIFICATE_VERIFY_FAILED" in failed["message"]) == (
                "failed",
                True,
            )
        assert len(web.received) == 1


@needs_openssl
@pytest.mark.skipif(shutil.which("ip") is None, reason="there is no ip: apt install iproute2")
async def test_host_found_by_a_pattern_is_reached_at_the_address_that_was_checked(tmp_path: Path) -> None:
    """In a network of its own, in which public names lead to this machine."""
    make_certificate(tmp_path, "DNS:a.hooks.example")
    (tmp_path / "hosts").write_text(
        "93.184.216.34 a.hooks.example b.hooks.example\n10.0.0.1 inside.hooks.example\n"
    )
    prepare = (
        f"mount --bind {tmp_path}/hosts /etc/hosts; ip link set lo up; ip address add 93.184.216.34/32 dev lo"
    )
    command = f"set -e; {prepare}; exec {sys.executable} -m tests.support.public_host {tmp_path}"
    ran = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "--net", "sh", "-c", command],
        capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "a: 200, host a.hooks.example, name a.hooks.example, look-ups 1",
        "b: ConnectError",  # the certificate is not its own
        "inside: HostError",
    ]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"url": "https://{host}/"}, "a param may stand in the path or the query"),
        ({"url": "https://a{x}.example/"}, "a param may stand in the path or the query"),
        ({"url": "https://user:x@a.example/"}, "is no host"),
        ({"url": "https://*.example/"}, "it names no single host"),
        ({"url": "ftp://a.example/"}, "expected https://host/path?query"),
        ({"url": "https://a.example/#{x}"}, "expected https://host/path?query"),
        ({"url": "https://a.example/?key=${KEY}"}, "put it into a header"),
        ({"url": "{url}"}, "allowed_hosts is missing"),
        (
            {"url": "{url}", "allowed_hosts": ["a.example/x"]},
            "allowed_hosts = ('a.example/x',): 'a.example/x' is no host",
        ),
        ({"url": "https://a.example/", "ca_file": "/nowhere"}, "ca_file = '/nowhere': "),
        (
            {"url": "https://a.example/", "headers": {"A": "b\r\nC: d"}},
            "headers: 'A' is no header of one line",
        ),
        ({"url": "https://a.example/", "headers": {"A": "${B} "}}, "headers: 'A' is no header of one line"),
        ({"url": "https://a.example/", "success": [1]}, "success"),
        ({"url": "https://a.example/", "timeout": 20}, 'timeout: 20 has no unit: write "20 s" or "20 min"'),
        ({"url": "https://a.example/", "timeout": "0 s"}, '"0 s" is too short: the shortest is 1 ms'),
    ],
)
def test_options_that_are_wrong_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(OptionsError) as refused:
        load_handler("asyncjobd_handlers.http:Http", None, options)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("entry", "url", "is_allowed"),
    [
        ("a.example", "https://a.example/", True),
        ("a.example", "https://A.EXAMPLE:443/", True),
        ("a.example", "http://a.example/", False),
        ("a.example", "https://a.example:444/", False),
        ("a.example", "https://b.a.example/", False),
        ("a.example", "https://a.example./", False),
        ("*.a.example", "https://b.a.example/", True),
        ("*.a.example", "https://a.example/", False),
        ("*.a.example", "https://evila.example/", False),
        ("*", "https://anything.example/", True),
        ("*", "https://anything.example:22/", False),
        ("http://a.example:8080", "http://a.example:8080/", True),
        ("[::1]:8080", "https://[::1]:8080/", True),
    ],
)
def test_entry_allows_what_it_says(entry: str, url: str, is_allowed: bool) -> None:
    hosts = AllowedHosts([Origin.parse(entry)])
    if is_allowed:
        hosts.origin(httpx.URL(url))
    else:
        with pytest.raises(HostError):
            hosts.origin(httpx.URL(url))


@given(st.text(alphabet="/\\@:.?#%ae2 \r\n\u3002\uff0e{}&=;[]"), st.text())
@settings(max_examples=500)
def test_no_params_lead_to_another_host_or_path(a: str, b: str) -> None:
    try:
        url = UrlTemplate("https://h.example:8443/x/{a}/y{b}?q={a}&r={b}").fill({"a": a, "b": b})
    except ValueError:
        return
    path, _, query = url.raw_path.decode().partition("?")
    assert (url.scheme, url.raw_host, url.port, url.fragment) == ("https", b"h.example", 8443, "")
    assert [unquote(part) for part in path.split("/")] == ["", "x", a, f"y{b}"]
    assert parse_qs(query, keep_blank_values=True) == {"q": [a], "r": [b]}


def test_params_side_by_side_do_not_make_a_way_up() -> None:
    with pytest.raises(ValueError, match="leads elsewhere"):
        UrlTemplate("https://a.example/x/{a}{b}/y").fill({"a": ".", "b": "."})
