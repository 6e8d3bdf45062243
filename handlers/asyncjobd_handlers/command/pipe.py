"""A pipe to which a program writes."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import FileIO


class Pipe(asyncio.Protocol):
    """A pipe whose data are taken as they come, so that the program never waits for the daemon.

    The program writes to `end`. The event loop's own pipe to a child may be a socket, which a script cannot
    open as /dev/stderr.
    """

    def __init__(self, take: Callable[[bytes], None], end: FileIO) -> None:
        self._take = take
        self.end = end
        self.closed = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, take: Callable[[bytes], None]) -> AsyncIterator["Pipe"]:
        reading, writing = os.pipe()
        with FileIO(writing, "wb") as end:
            pipe = cls(take, end)
            loop = asyncio.get_running_loop()
            transport, _ = await loop.connect_read_pipe(lambda: pipe, FileIO(reading, "rb"))
            try:
                yield pipe
            finally:
                transport.close()

    def data_received(self, data: bytes) -> None:
        self._take(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self.closed.set()
