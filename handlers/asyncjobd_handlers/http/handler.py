"""The handler that sends a request for each job."""

import asyncio
from typing import Any

import httpx
import msgspec

from asyncjobd import JobHandler, JobResult
from asyncjobd.config.durations import format_duration
from asyncjobd_handlers.http.hosts import HostError
from asyncjobd_handlers.http.options import HEADER_VALUE, HttpOptions
from asyncjobd_handlers.http.response import judge
from asyncjobd_handlers.http.signature import signature
from asyncjobd_handlers.secret import SecretError, reveal

WITH_BODY = {"POST", "PUT", "PATCH"}


class Http(JobHandler[dict[str, Any]]):
    """Sends an HTTP request. A 2xx response is a success.

    A 429 or 503 is retried when its Retry-After says. Other 5xx, 408, 425, a timeout and a failed connection
    are retried after retry_interval. All else fails for good. Every try of one occurrence has the same
    Idempotency-Key.
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
        timeout = self.options.timeout
        try:
            async with asyncio.timeout(timeout.total_seconds()), self.options.client.use() as client:
                return await self._exchange(client)
        except HostError as error:
            return JobResult.fatal_error(str(error))
        except SecretError as error:
            return JobResult.failed(str(error))
        except TimeoutError:
            return JobResult.failed(f"no answer of {self._url.host} within {format_duration(timeout)}")
        except (httpx.HTTPError, OSError) as error:
            return JobResult.failed(f"no answer of {self._url.host}: {type(error).__name__}: {error}")

    async def _exchange(self, client: httpx.AsyncClient) -> JobResult:
        """Send the request, follow redirects, and return the result of the last response."""
        request = self._request(client)
        redirects = 0
        while True:
            response = await client.send(request, stream=True)
            try:
                if response.next_request is None or redirects == self.options.redirects:
                    return await judge(response, self.options)
            finally:
                await response.aclose()
            request = self._redirected(request, response.next_request)
            redirects += 1

    def _redirected(self, request: httpx.Request, to: httpx.Request) -> httpx.Request:
        """Return the next request, without the configured headers if it goes to another server."""
        if (to.url.scheme, to.url.netloc) != (request.url.scheme, request.url.netloc):
            for name in self.options.headers:
                to.headers.pop(name, None)
        return to

    def _request(self, client: httpx.AsyncClient) -> httpx.Request:
        options = self.options
        key = self.job.idempotency_key
        headers = {name.lower(): _header(name, value) for name, value in options.headers.items()}
        headers["idempotency-key"] = key
        content = b""
        if options.method in WITH_BODY:
            content = msgspec.json.encode(self.params if options.body is None else self.params[options.body])
            headers.setdefault("content-type", "application/json")
        if options.sign_with:
            headers |= signature(reveal(options.sign_with), key, content)
        return client.build_request(options.method, self._url, headers=headers, content=content or None)


def _header(name: str, value: str) -> str:
    """Return the value of a header with its secrets. Raise SecretError where it cannot be sent."""
    revealed = reveal(value)
    if not HEADER_VALUE.fullmatch(revealed):
        raise SecretError(f"the header {name} is with its secret no line of ASCII")
    return revealed
