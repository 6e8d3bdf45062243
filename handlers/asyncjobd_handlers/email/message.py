"""Builds the message of an email job."""

import html
import mimetypes
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate

from asyncjobd_handlers.email.options import EmailOptions
from asyncjobd_handlers.email.params import EmailParams
from asyncjobd_handlers.template import fill


@dataclass(frozen=True, slots=True)
class Content:
    """Subject and bodies with their values filled in. An empty body is left out."""

    subject: str
    text: str
    html: str

    @classmethod
    def of(cls, options: EmailOptions, params: EmailParams) -> "Content":
        """Raise ValueError if a value is missing, or makes more of the subject than one line of text."""
        subject = fill(options.subject, params.values)
        if not subject.isprintable() or "=?" in subject:  # an encoded word may hide a line break
            raise ValueError(f"the subject {subject!r} is not one line of text")
        text = fill(options.text, params.values)
        return cls(subject, text, fill(options.html, params.values, html.escape))


def build_message(
    sender: Address, params: EmailParams, content: Content, files: list[tuple[str, bytes]], key: str
) -> EmailMessage:
    """Return the message, with attachments of these names; `key` makes its Message-ID."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(params.to_addresses)
    if params.cc:
        message["Cc"] = ", ".join(params.cc)
    if params.reply_to is not None:
        message["Reply-To"] = params.reply_to
    message["Subject"] = content.subject
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{key}.asyncjobd@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # so that no out-of-office reply comes back
    if content.text:
        message.set_content(content.text)
    if content.html and content.text:
        message.add_alternative(content.html, subtype="html")
    elif content.html:
        message.set_content(content.html, subtype="html")
    for file, data in files:
        maintype, _, subtype = _media_type(file).partition("/")
        message.add_attachment(data, maintype=maintype, subtype=subtype, filename=file)
    return message


def _media_type(file: str) -> str:
    """Return the media type by the file's name. Compressed files and messages are attached as bytes."""
    kind, compression = mimetypes.guess_type(file)
    if kind is None or compression is not None or kind.startswith(("message/", "multipart/")):
        return "application/octet-stream"
    return kind
