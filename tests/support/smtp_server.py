"""An SMTP server that takes or refuses as a test says, and keeps the messages."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from anyio.from_thread import BlockingPortal


class SmtpServer:
    """A server. `refusals`: replies to recipients, `verdict`: the reply to a message."""

    def __init__(self, tls: ssl.SSLContext | None = None, login: tuple[bytes, bytes] | None = None) -> None:
        self.received: list[Envelope] = []
        self.refusals: dict[str, str] = {}
        self.verdict = "250 taken"
        self.is_silent = False
        self._tls = tls
        self._login = login
        self.port = 0

    @property
    def messages(self) -> list[EmailMessage]:
        return [message_from_bytes(each.original_content or b"", policy=default) for each in self.received]

    @contextmanager
    def serving(self, portal: BlockingPortal) -> Iterator["SmtpServer"]:
        server = portal.call(self._start)
        try:
            yield self
        finally:
            portal.call(server.close)

    async def _start(self) -> asyncio.Server:
        options: dict[str, Any] = {
            "hostname": "mail.test",
            "tls_context": self._tls,
            "require_starttls": bool(self._tls),
        }
        if self._login is not None:
            options |= {"authenticator": self._authenticate, "auth_required": True}
        server = await asyncio.get_running_loop().create_server(lambda: SMTP(self, **options), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    def _authenticate(
        self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any
    ) -> AuthResult:
        given = (data.login, data.password) if isinstance(data, LoginPassword) else None
        return AuthResult(success=given == self._login, handled=False)

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.is_silent:
            await asyncio.sleep(3600)
        self.received.append(envelope)
        return self.verdict
