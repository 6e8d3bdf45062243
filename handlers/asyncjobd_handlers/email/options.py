"""The options of an email job: the table [actions.NAME.options]."""

import ssl
from datetime import timedelta
from email.headerregistry import Address
from email.utils import parseaddr
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from asyncjobd.config.durations import SHORTEST, DurationText
from asyncjobd_handlers.email.addresses import domain_of


class EmailOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """The server, and the templates of the message: {name} in them stands for an entry of the params'
    `values`. ${NAME} in `password` is a secret (secret.py)."""

    host: str
    sender: str  # "Name <name@example.com>", or the address alone
    subject: str
    text: str = ""
    html: str = ""  # values are escaped in it
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None  # None: 587, 465 or 25, as `tls` says
    tls: Literal["starttls", "tls", "none"] = "starttls"
    ca_file: str = ""  # certificates of authorities; empty: the system's
    user: str = ""
    password: str = ""
    allowed_domains: tuple[str, ...] = ()  # recipients must be in one of them; empty: any
    attachments: str = ""  # the folder of attachments; empty: there are none
    largest_attachments: Annotated[int, msgspec.Meta(ge=0, le=100_000_000)] = 10_000_000  # bytes in all
    # the limit for all steps until it is sent
    timeout: Annotated[timedelta, DurationText(at_least=SHORTEST)] = timedelta(seconds=20)

    def __post_init__(self) -> None:
        try:
            domain_of(parseaddr(self.sender)[1])
        except ValueError:
            is_address = False
        else:
            is_address = self.sender.isprintable()
        if not is_address:
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
