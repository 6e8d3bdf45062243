"""The messages between the daemon and a worker process.

A message is MessagePack, preceded by its length. The daemon writes commands to the standard input of the
process, and reads reports from its standard output.
"""

import asyncio
from typing import Any

import msgspec

from asyncjobd.actions.handler_results import MAX_RESULT_CHARACTERS
from asyncjobd.job import ClaimedJob
from asyncjobd.result import JobResult

LENGTH_BYTES = 4  # the size of the length before each message
# A character takes up to 4 bytes, and a message contains more than the result.
MAX_MESSAGE_BYTES = 8 * MAX_RESULT_CHARACTERS


class Setup(msgspec.Struct, frozen=True, tag=True):
    """The first command: the action that the process serves, and what it needs for that.

    `path` is the daemon's sys.path. `memory_limit` is in bytes; None means no limit.
    """

    action: str
    handler: str
    options: dict[str, Any]
    fatal_exceptions: tuple[str, ...]
    retried_exceptions: tuple[str, ...]
    path: list[str]
    dsn: str
    schema: str
    memory_limit: int | None


class Start(msgspec.Struct, frozen=True, tag=True):
    """The command to run a job. Log events below `log_level` are not reported."""

    job: ClaimedJob
    claim_token: int
    log_level: str


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """The command to cancel the running job; ignored if it has ended meanwhile."""


class Progress(msgspec.Struct, frozen=True, tag=True):
    """A report of the handler's progress, from 0 to 1."""

    fraction: float
    message: str | None


class LogEvent(msgspec.Struct, frozen=True, tag=True):
    """A report of a log event. `fields` is a JSON object. `execution` is id and execution_total of the job
    whose handler has logged it, which may have ended; None where it was logged outside of any."""

    level: str
    event: str
    fields: bytes
    execution: tuple[int, int] | None


class Finished(msgspec.Struct, frozen=True, tag=True):
    """The report of how the job ended.

    Attributes:
        result: The result without the value that the handler returned beside the outcome.
        encoded: This value as JSON, or None.
        is_raised: The handler raised an exception.
        is_last: The process takes no further job.
    """

    result: JobResult
    encoded: str | None = None
    is_raised: bool = False
    is_last: bool = False


Command = Setup | Start | Cancel
Report = Progress | LogEvent | Finished

encode = msgspec.msgpack.Encoder().encode


def frame(message: bytes) -> bytes:
    """Return the message with its length before it."""
    return len(message).to_bytes(LENGTH_BYTES) + message


async def read_message(reader: asyncio.StreamReader) -> bytes | None:
    """Return the next message, or None at the end of the stream. Raise ValueError if it is too long."""
    try:
        length = int.from_bytes(await reader.readexactly(LENGTH_BYTES))
        if length > MAX_MESSAGE_BYTES:
            raise ValueError(f"a message of {length:,} bytes: expected at most {MAX_MESSAGE_BYTES:,}")
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
