"""The options of an HTTP request: the table [actions.NAME.options]."""

import re
import ssl
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Literal

import msgspec

from asyncjobd.config.durations import SHORTEST, DurationText
from asyncjobd_handlers.http.client import SharedClient
from asyncjobd_handlers.http.hosts import AllowedHosts, Origin
from asyncjobd_handlers.http.url import UrlTemplate

# Other values are refused here: the error of the client would show them, with their secrets.
HEADER_VALUE = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class HttpOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """`url` may have {param} in its path and query; or one {param} is all of it, and goes to
    `allowed_hosts` only. ${NAME} in `sign_with` and in the value of a header is a secret (secret.py)."""

    url: str
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: dict[str, str] = {}
    body: str | None = None  # the name of the param that is sent, as JSON; None: all params
    sign_with: str = ""  # the secret of the signature; empty: none
    success: tuple[Annotated[int, msgspec.Meta(ge=100, le=599)], ...] = ()  # statuses; empty: all 2xx
    timeout: Annotated[timedelta, DurationText(at_least=SHORTEST)] = timedelta(seconds=20)  # with redirects
    redirects: Annotated[int, msgspec.Meta(ge=0, le=10)] = 0  # how many are followed
    allowed_hosts: tuple[str, ...] = ()  # beside the host of the url: see `Origin`
    ca_file: str = ""  # certificates of authorities; empty: the system's
    keep_headers: tuple[str, ...] = ("Content-Type", "Location", "Retry-After", "X-Request-Id")
    keep_bytes: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] = 65_536  # a longer body is cut

    def __post_init__(self) -> None:
        for name, value in self.headers.items():
            if not (_HEADER_NAME.fullmatch(name) and HEADER_VALUE.fullmatch(value)):
                raise ValueError(f"headers: {name!r} is no header of one line of ASCII")
        for key, made_of_it in (("url", "template"), ("allowed_hosts", "hosts"), ("ca_file", "client")):
            try:
                getattr(self, made_of_it)
            except (ValueError, OSError) as error:
                raise ValueError(f"{key} = {getattr(self, key)!r}: {error}") from error
        if self.template.origin is None and not self.allowed_hosts:
            raise ValueError("allowed_hosts is missing: expected the hosts that a url of the row may have")

    @cached_property
    def template(self) -> UrlTemplate:
        return UrlTemplate(self.url)

    @cached_property
    def hosts(self) -> AllowedHosts:
        origins = [Origin.parse(each) for each in self.allowed_hosts]
        return AllowedHosts(origins + ([self.template.origin] if self.template.origin else []))

    @cached_property
    def client(self) -> SharedClient:
        """The client of all requests of the action, made once: reading the certificates takes 20 ms."""
        return SharedClient(self.hosts, ssl.create_default_context(cafile=self.ca_file or None))
