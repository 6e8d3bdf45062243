"""The example tests/examples/email_sender, as a user runs it, against a real SMTP server."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from anyio.from_thread import BlockingPortal

from tests.support.daemon import DaemonProcess
from tests.support.jobs import Connection, insert, settled, unowned
from tests.support.smtp_server import SmtpServer

EXAMPLE = Path(__file__).parents[1] / "examples" / "email_sender"

pytestmark = pytest.mark.anyio


def start(folder: Path, dsn: str, port: int) -> DaemonProcess:
    """A daemon with the example's own configuration, and a drop-in that says where the server is."""
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    (folder / "actions.d").mkdir()
    options = {"sender": "jobs@example.com", "port": port}
    (folder / "actions.d" / "EmailSender.toml").write_text(tomli_w.dumps({"options": options}))
    return DaemonProcess(folder / "config.toml", ASYNCJOBD_DSN=dsn).ready()


async def test_example_sends_an_email(
    dsn: str, db: Connection, portal: BlockingPortal, tmp_path: Path
) -> None:
    with SmtpServer().serving(portal) as mail:
        mail.refusals["nobody@example.com"] = "550 no such user"
        daemon = start(tmp_path, dsn, mail.port)
        params: dict[str, Any] = {
            "to": ["ann@example.com", "nobody@example.com"],
            "subject": "Hi",
            "body": "How are you?",
        }
        job = await insert(db, "EmailSender", json.dumps(params))
        done = await settled(db, job)
        assert (done["status"], done["message"], done["progress"]) == ("Completed", "sent to 1 of 2", 1)
        assert json.loads(done["result"]) == {
            "sent": ["ann@example.com"], "refused": {"nobody@example.com": "no such user"},
        }  # fmt: skip
        (message,) = mail.messages
        assert (message["From"], message["To"], message["Subject"]) == (
            "jobs@example.com",
            "ann@example.com",
            "Hi",
        )
        assert message.get_content().strip() == "How are you?"
        assert daemon.wait_for("emails.sent", job_id=job)["refused"] == 1

        failed = await settled(db, await insert(db, "EmailSender", '{"to": ["nobody@example.com"]}'))
        assert (failed["status"], failed["message"]) == ("Failed", "nobody could be reached")
        failed = await settled(db, await insert(db, "EmailSender", '{"to": "ann@example.com"}'))
        assert "to: expected `array`, got `str`" in failed["message"]


async def test_example_waits_for_a_server_that_is_away(dsn: str, db: Connection, tmp_path: Path) -> None:
    start(tmp_path, dsn, 1)
    waits = await unowned(db, await insert(db, "EmailSender", '{"to": ["ann@example.com"]}'), "Queued")
    assert (waits["last_execution_status"], "SMTPConnectError" in waits["message"]) == ("failed", True)
    assert 85 < (waits["due_at"] - waits["last_execution_time"]).total_seconds() < 95
