"""The handler that sends an email for each job."""

import asyncio
import socket
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
from aiosmtplib.errors import SMTPDataError, SMTPException, SMTPRecipientsRefused, SMTPSenderRefused

from asyncjobd import JobHandler, JobResult
from asyncjobd.config.durations import format_duration
from asyncjobd_handlers.email.attachments import AttachmentError, read_files
from asyncjobd_handlers.email.message import Content, build_message
from asyncjobd_handlers.email.options import EmailOptions
from asyncjobd_handlers.email.params import EmailParams
from asyncjobd_handlers.secret import SecretError, reveal

QUIT_TIMEOUT = 2.0  # seconds
PORTS = {"starttls": 587, "tls": 465, "none": 25}


class Email(JobHandler[EmailParams]):
    """Sends an email by SMTP. If the server takes only some of the recipients, the result says which it
    refused.

    A refusal for good (5xx) fails for good; one for now (4xx) and a failed connection are retried after
    retry_interval. All tries of one occurrence have the same Message-ID, as a mail whose acceptance was not
    heard of is sent again.
    """

    Options = EmailOptions
    options: EmailOptions

    def set_params(self, raw: Any) -> None:
        super().set_params(raw)
        self.params.check(self.options.allowed_domains)
        self._content = Content.of(self.options, self.params)

    async def execute(self) -> JobResult:
        try:
            files = await asyncio.to_thread(self._files)
        except AttachmentError as error:
            return JobResult.fatal_error(str(error))
        except OSError as error:
            return JobResult.failed(f"the folder of attachments: {error}")
        sender = self.options.sender_address
        message = build_message(sender, self.params, self._content, files, self.job.idempotency_key)
        try:
            refused = await self._send(message)
        except Exception as error:
            return self._failure(error)
        return self._success(message, refused)

    def _files(self) -> list[tuple[str, bytes]]:
        if not self.params.attachments:
            return []
        if not self.options.attachments:
            raise AttachmentError("the action has no folder of attachments")
        folder = Path(self.options.attachments)
        return read_files(folder, self.params.attachments, self.options.largest_attachments)

    async def _send(self, message: EmailMessage) -> dict[str, str]:
        """Send the message, and return the recipients that the server refused, each with the reason."""
        server = self._server()
        sender = self.options.sender_address.addr_spec
        try:
            async with asyncio.timeout(self.options.timeout.total_seconds()):
                await server.connect()
                refused, _ = await server.send_message(
                    message, sender=sender, recipients=self.params.recipients
                )
            with suppress(SMTPException, OSError):  # the message is sent, however the session ends
                await server.quit(timeout=QUIT_TIMEOUT)
        finally:
            server.close()
        return {address: f"{answer.code} {answer.message}" for address, answer in refused.items()}

    def _server(self) -> aiosmtplib.SMTP:
        options = self.options
        return aiosmtplib.SMTP(
            hostname=options.host,
            port=options.port or PORTS[options.tls],
            username=options.user or None,
            password=reveal(options.password) or None,
            local_hostname=socket.gethostname(),
            timeout=options.timeout.total_seconds(),
            use_tls=options.tls == "tls",
            start_tls=options.tls == "starttls",
            tls_context=options.tls_context if options.tls != "none" else None,
        )

    def _success(self, message: EmailMessage, refused: dict[str, str]) -> JobResult:
        recipients = self.params.recipients
        accepted = [address for address in recipients if address not in refused]
        result = {"message_id": str(message["Message-ID"]), "accepted": accepted, "refused": refused}
        text = f"sent to {len(accepted)} of {len(recipients)}"
        return JobResult.success(text + (f"; refused: {_listed(refused)}" if refused else ""), result)

    def _failure(self, error: Exception) -> JobResult:
        """Return the result of a try that the server refused, or that failed. Raise any other error again."""
        host = self.options.host
        match error:
            case SecretError():
                return JobResult.failed(str(error))
            case SMTPRecipientsRefused():
                refused = {each.recipient: f"{each.code} {each.message}" for each in error.recipients}
                is_for_good = all(each.code >= 500 for each in error.recipients)
                return _refused(
                    is_for_good, f"all recipients are refused: {_listed(refused)}", {"refused": refused}
                )
            case SMTPSenderRefused() | SMTPDataError():
                return _refused(error.code >= 500, f"{host} refuses it: {error.code} {error.message}")
            case TimeoutError():
                return JobResult.failed(f"no answer of {host} within {format_duration(self.options.timeout)}")
            case SMTPException() | OSError():
                return JobResult.failed(f"{host}: {type(error).__name__}: {error}")
        raise error


def _refused(is_for_good: bool, message: str, result: Any = None) -> JobResult:
    return (JobResult.fatal_error if is_for_good else JobResult.failed)(message, result)


def _listed(refused: dict[str, str]) -> str:
    return ", ".join(f"{address} ({answer})" for address, answer in refused.items())
