"""Sends an HTTP request: a webhook, or a call of an API."""

import asyncio
import base64
import hashlib
import hmac
import re
import ssl
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from http import HTTPStatus
from typing import Annotated, Any, Literal

import msgspec

try:
    import httpx
except ImportError as error:
    raise ImportError(f"{error}; it needs httpx: pip install 'asyncjobd[http]'") from error

from asyncjobd import JobHandler, JobResult
from asyncjobd_handlers.http.client import SharedClient
from asyncjobd_handlers.http.hosts import AllowedHosts, HostError, Origin
from asyncjobd_handlers.http.url import UrlTemplate
from asyncjobd_handlers.secret import SecretError, reveal

BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
PASSING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}  # of 4xx, those that another try may not get
SHORTEST_WAIT, LONGEST_WAIT = timedelta(seconds=1), timedelta(days=1)  # of what a server may ask for

# a value of another form would be shown, secrets and all, as one that is wrong
_HEADER_VALUE = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class HttpOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    url: str  # with {param} in path and query; or one {param} that is all of it, to allowed_hosts only
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: dict[str, str] = {}  # ${NAME} in a value: a credential or an environment variable
    body: str | None = None  # the param that is sent, as JSON; None: all of them
    sign_with: str = ""  # the secret of the signature; empty: none
    success: tuple[Annotated[int, msgspec.Meta(ge=100, le=599)], ...] = ()  # statuses; empty: all 2xx
    timeout: Annotated[float, msgspec.Meta(gt=0)] = 20  # seconds, of the whole exchange
    redirects: Annotated[int, msgspec.Meta(ge=0, le=10)] = 0  # how many are followed
    allowed_hosts: tuple[str, ...] = ()  # beside the url's own: see `Origin`
    ca_file: str = ""  # certificates of authorities; empty: the system's
    keep_headers: tuple[str, ...] = ("Content-Type", "Location", "Retry-After", "X-Request-Id")
    keep_bytes: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] = (
        65_536  # of the response, in the row's result
    )

    def __post_init__(self) -> None:
        for name, value in self.headers.items():
            if not (_HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value)):
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
        """The certificates take some 20 ms to read."""
        return SharedClient(self.hosts, ssl.create_default_context(cafile=self.ca_file or None))


class Http(JobHandler[dict[str, Any]]):
    """2xx is a success. 429 and 503 are retried when Retry-After says so; other 5xx, 408, 425, a time-out and whatever
    keeps an answer away in retry_interval. All else fails for good. All tries of one occurrence carry the same
    Idempotency-Key.

    With `sign_with` a request is signed as standardwebhooks.com says.
    """

    Options = HttpOptions
    options: HttpOptions

    def set_params(self, raw: Any) -> None:
        super().set_params(raw)
        if self.options.body is not None and self.options.body not in self.params:
            raise ValueError(f"{self.options.body!r} is missing")
        self._url = self.options.template.fill(self.params)
        try:
            self.options.hosts.origin(self._url)
        except HostError as error:
            raise ValueError(str(error)) from error

    async def execute(self) -> JobResult:
        try:
            async with asyncio.timeout(self.options.timeout), self.options.client.use() as client:
                return await self._exchange(client)
        except HostError as error:
            return JobResult.fatal_error(str(error))
        except SecretError as error:
            return JobResult.failed(str(error))
        except TimeoutError:
            return JobResult.failed(f"no answer of {self._url.host} within {self.options.timeout:g} s")
        except (httpx.HTTPError, OSError) as error:
            return JobResult.failed(f"no answer of {self._url.host}: {type(error).__name__}: {error}")

    async def _exchange(self, client: httpx.AsyncClient) -> JobResult:
        request = self._request(client)
        redirects = 0
        while True:
            response = await client.send(request, stream=True)
            try:
                if response.next_request is None or redirects == self.options.redirects:
                    return _judged(response, await _kept(response, self.options), self.options)
            finally:
                await response.aclose()
            request = self._redirected(request, response.next_request)
            redirects += 1

    def _redirected(self, request: httpx.Request, to: httpx.Request) -> httpx.Request:
        """What the configuration says to one server alone is not told to another."""
        if (to.url.scheme, to.url.netloc) != (request.url.scheme, request.url.netloc):
            for name in self.options.headers:
                to.headers.pop(name, None)
        return to

    def _request(self, client: httpx.AsyncClient) -> httpx.Request:
        options = self.options
        key = self.job.idempotency_key
        headers = {name.lower(): reveal(value) for name, value in options.headers.items()}
        headers["idempotency-key"] = key
        content = b""
        if options.method in {"POST", "PUT", "PATCH"}:
            content = msgspec.json.encode(self.params if options.body is None else self.params[options.body])
            headers.setdefault("content-type", "application/json")
        if options.sign_with:
            headers |= _signature(reveal(options.sign_with), key, content)
        return client.build_request(options.method, self._url, headers=headers, content=content or None)


def _signature(secret: str, key: str, content: bytes) -> dict[str, str]:
    now = str(int(time.time()))
    digest = hmac.digest(_key(secret), f"{key}.{now}.".encode() + content, hashlib.sha256)
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": key, "webhook-timestamp": now, "webhook-signature": signature}


def _key(secret: str) -> bytes:
    encoded = secret.removeprefix("whsec_")
    try:
        return secret.encode() if encoded == secret else base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise SecretError(f"sign_with: what follows whsec_ is not base64: {error}") from error


def _judged(response: httpx.Response, kept: dict[str, Any], options: HttpOptions) -> JobResult:
    status = response.status_code
    said = f"{status} {response.reason_phrase}".strip()
    if status in options.success or (not options.success and response.is_success):
        return JobResult.success(said, kept)
    if status in BUSY:
        after = _retry_after(response.headers.get("Retry-After", ""))
        return JobResult.retry_later(
            said + (f": not before {after.total_seconds():g} s" if after else ""), after
        )
    if status in PASSING or response.is_server_error:
        return JobResult.failed(said, kept)
    if response.has_redirect_location:
        return JobResult.fatal_error(f"{said}, to {response.headers['Location']}: it is not followed", kept)
    return JobResult.fatal_error(said, kept)


def _retry_after(value: str) -> timedelta | None:
    """Seconds or a date; None of what is neither."""
    if re.fullmatch(r"[0-9]{1,9}", value):
        after = timedelta(seconds=int(value))
    else:
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return None
        after = (date if date.tzinfo else date.replace(tzinfo=UTC)) - datetime.now(UTC)
    return min(max(after, SHORTEST_WAIT), LONGEST_WAIT)


async def _kept(response: httpx.Response, options: HttpOptions) -> dict[str, Any]:
    """Of a response, what the row shows; not more of it is read."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > options.keep_bytes:
            break
    headers = {name: response.headers[name] for name in options.keep_headers if name in response.headers}
    kept: dict[str, Any] = {"status": response.status_code, "headers": headers}
    if len(body) > options.keep_bytes:
        return kept | {"text": _text(body[: options.keep_bytes]), "is_cut": True}
    if (
        "json" in response.headers.get("Content-Type", "") and b"\\u0000" not in body
    ):  # which PostgreSQL refuses
        try:
            return kept | {"json": msgspec.json.decode(body)}
        except (msgspec.MsgspecError, ValueError, RecursionError):
            pass
    return kept | {"text": _text(body)}


def _text(body: bytearray) -> str:
    return body.decode(errors="replace").replace("\0", "\ufffd")
