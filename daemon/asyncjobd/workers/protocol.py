"""What a daemon and a worker process tell each other: MessagePack, each message behind its length."""

import asyncio
from typing import Any

import msgspec

from asyncjobd.actions.outcomes import MAX_CHARACTERS
from asyncjobd.job import ClaimedJob
from asyncjobd.result import JobResult

LENGTH = 4  # bytes of a message's length
LONGEST = 8 * MAX_CHARACTERS  # bytes of a message: a character takes up to 4, and there is more in a message


class Setup(msgspec.Struct, frozen=True, tag=True):
    """The first order. `path` is where the daemon imports from; `memory_limit` is in bytes."""

    action: str
    handler: str
    options: dict[str, Any]
    path: list[str]
    dsn: str
    schema: str
    memory_limit: int | None


class Start(msgspec.Struct, frozen=True, tag=True):
    """Run this job, and report what is logged from this level on."""

    job: ClaimedJob
    claim_token: int
    log_level: str


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """The job that runs; none does where its answer is on its way."""


class Progress(msgspec.Struct, frozen=True, tag=True):
    fraction: float
    message: str | None


class Line(msgspec.Struct, frozen=True, tag=True):
    """Of the log; `fields` are JSON."""

    level: str
    event: str
    fields: bytes


class Answer(msgspec.Struct, frozen=True, tag=True):
    """The job's end. `encoded` is its result as JSON, which is not in `result`. `is_raised`: by an exception.
    `is_last`: the process is of no more use."""

    result: JobResult
    encoded: str | None = None
    is_raised: bool = False
    is_last: bool = False


Order = Setup | Start | Cancel
Report = Progress | Line | Answer

encode = msgspec.msgpack.Encoder().encode


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(LENGTH) + message


async def receive(reader: asyncio.StreamReader) -> bytes | None:
    """The next message; None where no more comes. Raises ValueError where it is none."""
    try:
        length = int.from_bytes(await reader.readexactly(LENGTH))
        if length > LONGEST:
            raise ValueError(f"a message of {length:,} bytes")
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
