"""Sends an email by SMTP."""

import asyncio
import html
import mimetypes
import re
import socket
import ssl
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

try:
    import aiosmtplib
    from aiosmtplib.errors import SMTPDataError, SMTPException, SMTPRecipientsRefused, SMTPSenderRefused
except ImportError as error:
    raise ImportError(f"{error}; it needs aiosmtplib: pip install 'asyncjobd[email]'") from error

from asyncjobd import JobHandler, JobResult
from asyncjobd_handlers.email.attachments import AttachmentError, read_files
from asyncjobd_handlers.secret import SecretError, reveal
from asyncjobd_handlers.template import fill

MOST_RECIPIENTS = 100  # what every server takes
LAST_WORD = 2.0  # seconds for the server to answer QUIT
PORTS = {"starttls": 587, "tls": 465, "none": 25}

_ATOM = r"[A-Za-z0-9#$&'*+/=?^_`{|}~-]+"  # neither % nor !, by which old servers route
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@((?:[A-Za-z0-9-]{{1,63}}\.)*[A-Za-z0-9-]{{1,63}})")


class EmailOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    host: str
    sender: str  # "Name <name@example.com>", or the address alone
    subject: str  # here and in the bodies: {name} is what the row's `values` say
    text: str = ""
    html: str = ""  # values are escaped in it
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None  # None: 587, 465 or 25, as tls says
    tls: Literal["starttls", "tls", "none"] = "starttls"
    ca_file: str = ""  # certificates of authorities; empty: the system's
    user: str = ""
    password: str = ""  # ${NAME}: a credential or an environment variable
    allowed_domains: tuple[str, ...] = ()  # of recipients; empty: all
    attachments: str = ""  # the folder that they come from; empty: there are none
    largest_attachments: Annotated[int, msgspec.Meta(ge=0, le=100_000_000)] = (
        10_000_000  # bytes, all together
    )
    timeout: Annotated[float, msgspec.Meta(gt=0)] = 20  # seconds, of the whole conversation

    def __post_init__(self) -> None:
        if not _ADDRESS.fullmatch(parseaddr(self.sender)[1]) or not self.sender.isprintable():
            raise ValueError(f"sender: {self.sender!r} is no address")
        if not self.text and not self.html:
            raise ValueError("text and html are missing: expected one of them at least")
        if self.tls == "none" and self.user:
            raise ValueError("user: a password is not sent without tls")
        if self.attachments and not Path(self.attachments).is_absolute():
            raise ValueError(f"attachments: {self.attachments!r} is not an absolute path")
        try:
            _ = self.tls_context
        except OSError as error:
            raise ValueError(f"ca_file: {self.ca_file!r}: {error}") from error

    @cached_property
    def tls_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file or None)

    @cached_property
    def sender_address(self) -> Address:
        name, address = parseaddr(self.sender)
        return Address(name, addr_spec=address)


class EmailParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Addresses stand alone, without names."""

    to: str | list[str]
    cc: list[str] = []
    bcc: list[str] = []
    reply_to: str | None = None
    values: dict[str, str | int | float | bool] = {}
    attachments: list[str] = []


class Email(JobHandler[EmailParams]):
    """What the server refuses for good (5xx) fails for good; what it refuses for now (4xx), and whatever keeps it from
    answering, is retried in retry_interval. Where it takes some of the recipients, the result says which it refused.

    All tries of one occurrence have the same Message-ID: one that was taken without an answer may come twice.
    """

    Options = EmailOptions
    options: EmailOptions

    def set_params(self, raw: Any) -> None:
        super().set_params(raw)
        params = self.params
        self._to = [params.to] if isinstance(params.to, str) else params.to
        self._recipients = list(dict.fromkeys([*self._to, *params.cc, *params.bcc]))
        if not 1 <= len(self._recipients) <= MOST_RECIPIENTS:
            raise ValueError(f"{len(self._recipients)} recipients: expected 1 to {MOST_RECIPIENTS}")
        for address in self._recipients:
            self._check_domain(_domain(address), address)
        if params.reply_to is not None:
            _domain(params.reply_to)
        self._subject = fill(self.options.subject, params.values)
        if (
            not self._subject.isprintable() or "=?" in self._subject
        ):  # in an encoded word a line break may hide
            raise ValueError(f"the subject {self._subject!r} is not one line of text")
        self._text = fill(self.options.text, params.values)
        self._html = fill(self.options.html, params.values, html.escape)

    def _check_domain(self, domain: str, address: str) -> None:
        allowed = self.options.allowed_domains
        if allowed and domain not in {each.lower() for each in allowed}:
            raise ValueError(f"{address!r} is not in allowed_domains")

    async def execute(self) -> JobResult:
        try:
            message = self._message(await asyncio.to_thread(self._files))
        except AttachmentError as error:
            return JobResult.fatal_error(str(error))
        except OSError as error:
            return JobResult.failed(f"the folder of attachments: {error}")
        try:
            refused = await self._send(message)
        except SecretError as error:
            return JobResult.failed(str(error))
        except SMTPRecipientsRefused as error:
            said = {each.recipient: f"{each.code} {each.message}" for each in error.recipients}
            is_for_good = all(each.code >= 500 for each in error.recipients)
            return _refused(is_for_good, f"all recipients are refused: {_listed(said)}", {"refused": said})
        except (SMTPSenderRefused, SMTPDataError) as error:
            return _refused(
                error.code >= 500, f"{self.options.host} refuses it: {error.code} {error.message}"
            )
        except TimeoutError:
            return JobResult.failed(f"no answer of {self.options.host} within {self.options.timeout:g} s")
        except (SMTPException, OSError) as error:
            return JobResult.failed(f"{self.options.host}: {type(error).__name__}: {error}")
        return self._sent(message, refused)

    def _files(self) -> list[tuple[str, bytes]]:
        if not self.params.attachments:
            return []
        if not self.options.attachments:
            raise AttachmentError("the action has no folder of attachments")
        return read_files(
            Path(self.options.attachments), self.params.attachments, self.options.largest_attachments
        )

    def _message(self, files: list[tuple[str, bytes]]) -> EmailMessage:
        sender = self.options.sender_address
        message = EmailMessage()
        message["From"] = sender
        message["To"] = ", ".join(self._to)
        if self.params.cc:
            message["Cc"] = ", ".join(self.params.cc)
        if self.params.reply_to is not None:
            message["Reply-To"] = self.params.reply_to
        message["Subject"] = self._subject
        message["Date"] = formatdate()
        message["Message-ID"] = f"<{self.job.idempotency_key}.asyncjobd@{sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"  # so that nobody's holiday answers
        if self._text:
            message.set_content(self._text)
        if self._html and self._text:
            message.add_alternative(self._html, subtype="html")
        elif self._html:
            message.set_content(self._html, subtype="html")
        for file, content in files:
            maintype, _, subtype = _kind(file).partition("/")
            message.add_attachment(content, maintype=maintype, subtype=subtype, filename=file)
        return message

    async def _send(self, message: EmailMessage) -> dict[str, str]:
        """Answers whom the server refused, and why."""
        server = self._server()
        sender = self.options.sender_address.addr_spec
        try:
            async with asyncio.timeout(self.options.timeout):
                await server.connect()
                refused, _ = await server.send_message(message, sender=sender, recipients=self._recipients)
            with suppress(SMTPException, OSError):  # it is sent, however the server takes leave
                await server.quit(timeout=LAST_WORD)
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
            timeout=options.timeout,
            use_tls=options.tls == "tls",
            start_tls=options.tls == "starttls",
            tls_context=options.tls_context if options.tls != "none" else None,
        )

    def _sent(self, message: EmailMessage, refused: dict[str, str]) -> JobResult:
        accepted = [address for address in self._recipients if address not in refused]
        result = {"message_id": str(message["Message-ID"]), "accepted": accepted, "refused": refused}
        said = f"sent to {len(accepted)} of {len(self._recipients)}"
        return JobResult.success(said + (f"; refused: {_listed(refused)}" if refused else ""), result)


def _domain(address: str) -> str:
    match = _ADDRESS.fullmatch(address)
    if match is None or "=?" in address:  # an encoded word: a header would decode it
        raise ValueError(f"{address!r} is not an address of the form name@example.com")
    return match[1].lower()


def _kind(file: str) -> str:
    """Its media type; what is compressed, or a message itself, is just bytes."""
    kind, compression = mimetypes.guess_type(file)
    if kind is None or compression is not None or kind.startswith(("message/", "multipart/")):
        return "application/octet-stream"
    return kind


def _refused(is_for_good: bool, said: str, result: Any = None) -> JobResult:
    return (JobResult.fatal_error if is_for_good else JobResult.failed)(said, result)


def _listed(refused: dict[str, str]) -> str:
    return ", ".join(f"{address} ({answer})" for address, answer in refused.items())
