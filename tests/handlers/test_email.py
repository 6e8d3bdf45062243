"""The handler `Email`: a real daemon, a real SMTP server, and rows that mean harm."""

import json
import os
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal

from asyncjobd.actions.handlers import OptionsError, load_handler
from tests.conftest import NewDaemon
from tests.support.certificate import make_certificate, needs_openssl
from tests.support.daemon import DaemonProcess
from tests.support.jobs import Connection, Row, insert, settled
from tests.support.smtp_server import SmtpServer

pytestmark = pytest.mark.anyio

MISFITS: list[tuple[dict[str, Any], str]] = [
    ({"to": "ann@evil.example"}, "'ann@evil.example' is not in allowed_domains"),
    ({"to": "ann@sub.good.example"}, "is not in allowed_domains"),
    ({"to": "ann@good.example", "bcc": ["x@evil.example"]}, "is not in allowed_domains"),
    ({"to": "ann@evil.example@good.example"}, "is not an address"),
    ({"to": "ann%evil.example@good.example"}, "is not an address"),
    ({"to": "ann@good.example, x@evil.example"}, "is not an address"),
    ({"to": "ann@good.example\r\nBcc: x@evil.example"}, "is not an address"),
    ({"to": "ann@good.example\n"}, "is not an address"),
    ({"to": "<ann@good.example> SIZE=1"}, "is not an address"),
    ({"to": "Ann <ann@good.example>"}, "is not an address"),
    ({"to": "ann@good\u3002example"}, "is not an address"),
    ({"to": "ann"}, "is not an address"),
    ({"to": "ann@good.example", "reply_to": "a@b.c\r\nBcc: x@evil.example"}, "is not an address"),
    ({"to": "ann@good.example", "values": {"name": "a\r\nBcc: x@evil.example"}}, "is not one line of text"),
    ({"to": "ann@good.example", "values": {"name": "a\u2028Bcc: x"}}, "is not one line of text"),
    (
        {"to": "ann@good.example", "values": {"name": "=?utf-8?q?=0D=0ABcc=3A_x=40evil.example?="}},
        "is not one line of text",
    ),
    ({"to": "=?utf-8?q?x=40evil.example=3E=2C_=3Cb?=@good.example"}, "is not an address"),
    ({"to": "=?utf-8?q?=0D=0ABcc=3A_x?=@good.example"}, "is not an address"),
    ({"to": "ann@good.example", "values": {}}, "'name' is missing"),
    ({"to": "ann@good.example", "values": {"name": ["a"]}}, "values[...]: expected `"),
    ({"to": "ann@good.example", "sender": "boss@good.example"}, "sender is unknown"),
    ({"to": []}, "0 recipients"),
    ({"to": [f"a{n}@good.example" for n in range(101)]}, "101 recipients"),
    ({}, "to is missing"),
]
OUTSIDE = ["../secret", "a/../../secret", "/etc/passwd", "", ".", "..", "a//b", "link", "folder/link", "linked/secret",
           "pipe", "folder", "missing", "b\x01.txt"]  # fmt: skip


@pytest.fixture
def mail(portal: BlockingPortal) -> Iterator[SmtpServer]:
    with SmtpServer().serving(portal) as mail:
        yield mail


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With two files to attach, and with ways out of it."""
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "attachments"
    (folder / "folder").mkdir(parents=True)
    (folder / "report.pdf").write_bytes(b"%PDF-1.7")
    (folder / "folder" / "naïve.txt").write_text("naïve\n")
    (folder / "mail.eml").write_text("Subject: x\n\n")
    (folder / "large").write_bytes(b"x" * 1001)
    (folder / "link").symlink_to("report.pdf")
    (folder / "folder" / "link").symlink_to("../../secret")
    (folder / "linked").symlink_to("..")
    os.mkfifo(folder / "pipe")
    return folder


@pytest.fixture
def daemon(start_daemon: NewDaemon, mail: SmtpServer, folder: Path) -> DaemonProcess:
    options = {
        "host": "127.0.0.1",
        "port": mail.port,
        "tls": "none",
        "sender": "The Shop <shop@good.example>",
    }
    hello = options | {"subject": "Hello {name}", "text": "Dear {name},\n\n{not a placeholder}",
                       "allowed_domains": ["good.example"]}  # fmt: skip
    both = hello | {"html": "<style>p { color: red }</style><p>Dear {name}", "attachments": str(folder),
                    "largest_attachments": 1000}  # fmt: skip
    html = options | {"subject": "x", "html": "<p>Dear {name}"}
    impatient = options | {"subject": "x", "text": "x", "timeout": "0.3 s"}
    actions = {
        name: {
            "handler": "asyncjobd_handlers.email:Email",
            "options": each,
            "retry_interval": "10 ms",
            "max_execution_count": 2,
        }
        for name, each in {"hello": hello, "both": both, "html": html, "impatient": impatient}.items()
    }
    actions["nowhere"] = actions["html"] | {"options": html | {"port": 1}}
    actions["insists"] = actions["html"] | {"options": html | {"tls": "starttls"}}
    return start_daemon(actions=actions).ready()


def to(address: str = "ann@good.example", name: str = "Ann", **params: Any) -> str:
    return json.dumps({"to": address, "values": {"name": name}} | params)


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    return str(found.get_content()).replace("\r\n", "\n").rstrip()


def result(row: Row) -> Any:
    return json.loads(row["result"])


async def test_message_is_what_options_and_params_make_of_it(
    db: Connection, daemon: DaemonProcess, mail: SmtpServer
) -> None:
    params = to(name="Ann <é> & Co", cc=["bob@good.example"], bcc=["eve@good.example"], reply_to="help@good.example",
                attachments=["report.pdf", "folder/naïve.txt", "mail.eml"])  # fmt: skip
    done = await settled(db, await insert(db, "both", params))
    assert (done["status"], done["message"]) == ("Completed", "sent to 3 of 3")
    (message,) = mail.messages
    assert mail.received[0].mail_from == "shop@good.example"
    assert mail.received[0].rcpt_tos == ["ann@good.example", "bob@good.example", "eve@good.example"]
    assert (message["From"], message["To"], message["Cc"], message["Bcc"]) == (
        "The Shop <shop@good.example>", "ann@good.example", "bob@good.example", None,
    )  # fmt: skip
    assert (message["Subject"], message["Reply-To"]) == ("Hello Ann <é> & Co", "help@good.example")
    assert part(message, "plain") == "Dear Ann <é> & Co,\n\n{not a placeholder}"
    assert part(message, "html") == "<style>p { color: red }</style><p>Dear Ann &lt;é&gt; &amp; Co"
    attached = [(each.get_filename(), each.get_content_type()) for each in message.iter_attachments()]
    assert attached == [
        ("report.pdf", "application/pdf"), ("naïve.txt", "text/plain"), ("mail.eml", "application/octet-stream"),
    ]  # fmt: skip
    contents = [each.get_payload(decode=True) for each in message.iter_attachments()]
    assert contents == [b"%PDF-1.7", "naïve\n".encode(), b"Subject: x\n\n"]
    assert result(done)["message_id"] == message["Message-ID"]


async def test_html_alone_escapes_what_a_row_gives(
    db: Connection, daemon: DaemonProcess, mail: SmtpServer
) -> None:
    await settled(db, await insert(db, "html", to("ann@anywhere.example", "<script>'\"")))
    assert part(mail.messages[0], "html") == "<p>Dear &lt;script&gt;&#x27;&quot;"


async def test_row_that_means_harm_is_refused(
    db: Connection, daemon: DaemonProcess, mail: SmtpServer
) -> None:
    for params, reason in MISFITS:
        values = {"values": {"name": "Ann"}} | params
        failed = await settled(db, await insert(db, "hello", json.dumps(values)))
        assert failed["last_execution_status"] == "fatal_error"
        assert reason in failed["message"]
    assert mail.received == []


async def test_attachment_from_elsewhere_is_refused(
    db: Connection, daemon: DaemonProcess, mail: SmtpServer
) -> None:
    for name in OUTSIDE:
        failed = await settled(db, await insert(db, "both", to(attachments=[name])))
        assert (failed["last_execution_status"], repr(name) in failed["message"]) == ("fatal_error", True), (
            failed
        )
    for names in (["large"], ["report.pdf"] * 126):
        failed = await settled(db, await insert(db, "both", to(attachments=names)))
        assert (failed["last_execution_status"], failed["message"]) == (
            "fatal_error", "the attachments are larger than 1,000 bytes",
        )  # fmt: skip
    failed = await settled(db, await insert(db, "hello", to(attachments=["report.pdf"])))
    assert failed["message"] == "the action has no folder of attachments"
    assert mail.received == []


async def test_folder_that_is_away_is_waited_for(
    db: Connection, daemon: DaemonProcess, mail: SmtpServer, folder: Path
) -> None:
    folder.rename(folder.with_name("away"))
    failed = await settled(db, await insert(db, "both", to(attachments=["report.pdf"])))
    assert failed["last_execution_status"] == "failed"
    assert failed["message"].startswith("the folder of attachments: ")


async def test_refused_recipient_is_reported(db: Connection, daemon: DaemonProcess, mail: SmtpServer) -> None:
    mail.refusals["bob@good.example"] = "550 no such user"
    done = await settled(db, await insert(db, "hello", to(cc=["bob@good.example"])))
    assert (done["status"], done["message"]) == (
        "Completed", "sent to 1 of 2; refused: bob@good.example (550 no such user)",
    )  # fmt: skip
    assert (result(done)["accepted"], result(done)["refused"]) == (
        ["ann@good.example"], {"bob@good.example": "550 no such user"},
    )  # fmt: skip


async def test_refusal_for_good_is_not_repeated(
    db: Connection, daemon: DaemonProcess, mail: SmtpServer
) -> None:
    mail.refusals["ann@good.example"] = "550 no such user"
    failed = await settled(db, await insert(db, "hello", to()))
    assert (failed["last_execution_status"], failed["execution_count"]) == ("fatal_error", 1)
    assert failed["message"] == "all recipients are refused: ann@good.example (550 no such user)"
    mail.verdict = "554 spam"
    failed = await settled(db, await insert(db, "hello", to("bob@good.example")))
    assert (failed["last_execution_status"], failed["message"]) == (
        "fatal_error",
        "127.0.0.1 refuses it: 554 spam",
    )


async def test_refusal_for_now_is_repeated(db: Connection, daemon: DaemonProcess, mail: SmtpServer) -> None:
    mail.refusals["ann@good.example"] = "450 greylisted"
    failed = await settled(db, await insert(db, "hello", to()))
    assert (failed["last_execution_status"], failed["execution_count"]) == ("failed", 2)
    mail.verdict = "451 try again"
    failed = await settled(db, await insert(db, "hello", to("bob@good.example")))
    assert (failed["last_execution_status"], failed["message"]) == (
        "failed",
        "127.0.0.1 refuses it: 451 try again",
    )


async def test_repeated_message_has_the_same_id(
    db: Connection, daemon: DaemonProcess, mail: SmtpServer
) -> None:
    mail.verdict = "451 not now"
    await settled(db, await insert(db, "hello", to()))
    await settled(db, await insert(db, "hello", to()))
    first, retried, second, _ = (each["Message-ID"] for each in mail.messages)
    assert first == retried
    assert first != second


async def test_slow_server_does_not_hold_a_slot_for_ever(
    db: Connection, daemon: DaemonProcess, mail: SmtpServer
) -> None:
    mail.is_silent = True
    failed = await settled(db, await insert(db, "impatient", to()))
    assert (failed["last_execution_status"], failed["message"]) == (
        "failed",
        "no answer of 127.0.0.1 within 300 ms",
    )


async def test_server_that_is_away_is_waited_for(db: Connection, daemon: DaemonProcess) -> None:
    failed = await settled(db, await insert(db, "nowhere", to()))
    assert (failed["last_execution_status"], failed["execution_count"], failed["traceback"]) == (
        "failed",
        2,
        None,
    )
    assert failed["message"].startswith("127.0.0.1: SMTPConnectError")


async def test_message_is_not_sent_in_the_clear_where_tls_is_asked_for(
    db: Connection, daemon: DaemonProcess, mail: SmtpServer
) -> None:
    failed = await settled(db, await insert(db, "insists", to()))
    assert (failed["last_execution_status"], mail.received) == ("failed", [])
    assert "STARTTLS" in failed["message"]


@needs_openssl
async def test_password_goes_over_tls_that_is_verified(
    db: Connection, start_daemon: NewDaemon, portal: BlockingPortal, tmp_path: Path
) -> None:
    certificate, tls = make_certificate(tmp_path, "IP:127.0.0.1")
    with SmtpServer(tls, (b"shop", b"pa$s")).serving(portal) as mail:
        options = {"host": "127.0.0.1", "port": mail.port, "sender": "shop@good.example", "subject": "x", "text": "x",
                   "user": "shop", "password": "${SMTP_PASSWORD}", "ca_file": str(certificate)}  # fmt: skip
        action = {"handler": "asyncjobd_handlers.email:Email", "options": options, "max_execution_count": 1}
        doubting = action | {"options": {key: value for key, value in options.items() if key != "ca_file"}}
        wrong = action | {"options": options | {"password": "guess"}}
        environment = {"SMTP_PASSWORD": "pa$s"}
        daemon = start_daemon(
            actions={"send": action, "doubting": doubting, "wrong": wrong}, environment=environment
        ).ready()
        assert (await settled(db, await insert(db, "send", to())))["status"] == "Completed"
        failed = await settled(db, await insert(db, "doubting", to()))
        assert (failed["last_execution_status"], "CERTIFICATE_VERIFY_FAILED" in failed["message"]) == (
            "failed",
            True,
        )
        failed = await settled(db, await insert(db, "wrong", to()))
        assert (failed["last_execution_status"], "535" in failed["message"]) == ("failed", True)
        assert (len(mail.received), "pa$s" in daemon.log.read_text()) == (1, False)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"sender": "shop"}, "sender: 'shop' is no address"),
        ({"sender": "Shop\r\nBcc: x <shop@good.example>"}, "sender: "),
        ({"text": ""}, "text and html are missing"),
        ({"tls": "none", "user": "shop"}, "user: a password is not sent without tls"),
        ({"attachments": "files"}, "attachments: 'files' is not an absolute path"),
        ({"ca_file": "/nowhere"}, "ca_file: '/nowhere': "),
        ({"tls": "maybe"}, "tls: invalid"),
        ({"timeout": 20}, 'timeout: 20 has no unit: write "20 s" or "20 min"'),
    ],
)
def test_options_that_are_wrong_are_refused(changed: dict[str, Any], reason: str) -> None:
    options = {"host": "mail.test", "sender": "shop@good.example", "subject": "x", "text": "x"} | changed
    with pytest.raises(OptionsError) as refused:
        load_handler("asyncjobd_handlers.email:Email", None, options)
    assert reason in str(refused.value)
