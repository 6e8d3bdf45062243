"""Responses: which result they make of a job, and which part of them the row keeps."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx
import msgspec

from asyncjobd import JobResult
from asyncjobd.config.durations import format_duration
from asyncjobd_handlers.http.options import HttpOptions

BUSY = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
TRANSIENT = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}  # the 4xx that another try may not get
SHORTEST_WAIT, LONGEST_WAIT = timedelta(seconds=1), timedelta(days=1)  # limits of a server's Retry-After


async def judge(response: httpx.Response, options: HttpOptions) -> JobResult:
    """Return the result of the job. The body is read as far as it is kept."""
    kept = await _keep(response, options)
    status = response.status_code
    message = f"{status} {response.reason_phrase}".strip()
    if status in options.success or (not options.success and response.is_success):
        return JobResult.success(message, kept)
    if status in BUSY:
        after = retry_after(response.headers.get("Retry-After", ""))
        return JobResult.retry_later(
            message + (f": not before {format_duration(after)}" if after else ""), after
        )
    if status in TRANSIENT or response.is_server_error:
        return JobResult.failed(message, kept)
    if response.has_redirect_location:
        return JobResult.fatal_error(
            f"{message}, to {response.headers['Location']}: it is not followed", kept
        )
    return JobResult.fatal_error(message, kept)


def retry_after(value: str) -> timedelta | None:
    """Return how long a Retry-After header asks to wait, by seconds or a date, within limits; None if it
    is neither."""
    if re.fullmatch(r"[0-9]{1,9}", value):
        after = timedelta(seconds=int(value))
    else:
        try:
            date = parsedate_to_datetime(value)
            after = (date if date.tzinfo else date.replace(tzinfo=UTC)) - datetime.now(UTC)
        except (ValueError, OverflowError):
            return None
    return min(max(after, SHORTEST_WAIT), LONGEST_WAIT)


async def _keep(response: httpx.Response, options: HttpOptions) -> dict[str, Any]:
    """Return status, some headers, and the body, as JSON where it is JSON that PostgreSQL takes."""
    body = await _body(response, options.keep_bytes)
    headers = {name: response.headers[name] for name in options.keep_headers if name in response.headers}
    kept: dict[str, Any] = {"status": response.status_code, "headers": headers}
    if len(body) > options.keep_bytes:
        return kept | {"text": _text(body[: options.keep_bytes]), "is_cut": True}
    is_json = "json" in response.headers.get("Content-Type", "")
    if is_json and b"\\u0000" not in body:  # jsonb cannot hold this character
        try:
            return kept | {"json": msgspec.json.decode(body)}
        except (msgspec.MsgspecError, ValueError, RecursionError):
            pass
    return kept | {"text": _text(body)}


async def _body(response: httpx.Response, most: int) -> bytearray:
    """Read until the body is longer than `most` bytes, or ends."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > most:
            break
    return body


def _text(body: bytearray) -> str:
    return body.decode(errors="replace").replace("\0", "\ufffd")
