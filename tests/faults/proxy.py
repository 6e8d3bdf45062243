"""A TCP proxy in front of a server's socket that delays, cuts, resets or goes silent, from any thread."""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

KEEPALIVE = 10.0  # seconds
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST


class Flow:
    """One connection through the proxy."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter, is_dead: bool) -> None:
        self._client = client
        self._server = server
        self.is_dead = is_dead

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, proxy: "Proxy") -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if proxy.delay:
                    await asyncio.sleep(proxy.delay)
                if proxy.swallows is not None and proxy.swallows in data:
                    self.is_dead, proxy.swallows = True, None
                for was, becomes in proxy.rewrites.items():
                    data = data.replace(was, becomes)
                if not self.is_dead:
                    writer.write(data)
                    await writer.drain()
        if self.is_dead:  # the server finds out by its keepalive
            await asyncio.sleep(KEEPALIVE)
        self.close()

    def close(self) -> None:
        for writer in (self._client, self._server):
            writer.close()

    def reset(self) -> None:
        reset(self._client)
        self._server.close()

    def go_silent(self) -> None:
        self.is_dead = True


class Proxy:
    """A proxy. `delay`: seconds for each piece. `refuses`: reset new connections. `is_silent`: never answer them."""

    def __init__(self, server: Path) -> None:
        self.server = server  # its socket
        self._loop = asyncio.get_running_loop()
        self._flows: set[Flow] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._listening: asyncio.Server | None = None
        self.is_silent = False
        self.refuses = False
        self.delay = 0.0
        self.swallows: bytes | None = None  # the connection on which it comes next goes silent
        self.rewrites: dict[bytes, bytes] = {}  # of the same length
        self.port = 0

    @classmethod
    async def start(cls, socket_directory: Path) -> "Proxy":
        """Start in front of the server whose socket is in that folder, whether it runs or not."""
        proxy = cls(socket_directory / ".s.PGSQL.5432")
        proxy._listening = await asyncio.start_server(proxy._accept, "127.0.0.1", 0)
        proxy.port = proxy._listening.sockets[0].getsockname()[1]
        return proxy

    async def stop(self) -> None:
        assert self._listening is not None
        listening, self._listening = self._listening, None
        for accepting in listening.sockets:
            self._loop.remove_reader(accepting.fileno())
        for _ in range(3):  # turns, in which what was accepted gets a transport that can be closed
            await asyncio.sleep(0)
        listening.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._listening is None:  # it was accepted while the proxy stopped
            writer.transport.abort()
            return
        self._writers.append(writer)
        task = self._loop.create_task(self._connect(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            reset(writer)
            return
        try:
            from_server, to_server = await asyncio.open_unix_connection(str(self.server))
        except OSError:
            reset(writer)
            return
        self._writers.append(to_server)
        flow = Flow(writer, to_server, self.is_silent)
        self._flows.add(flow)
        try:
            await asyncio.gather(flow.pump(reader, to_server, self), flow.pump(from_server, writer, self))
        finally:
            flow.close()
            self._flows.discard(flow)

    def cut(self) -> None:
        """Close all connections, as the server would."""
        self._each(Flow.close)

    def reset(self) -> None:
        """Reset all connections."""
        self._each(Flow.reset)

    def go_silent(self) -> None:
        """Drop all data from now on and tell nobody: connections are half-open, and existing ones stay so for ever."""
        self.is_silent = True
        self._each(Flow.go_silent)

    def heal(self) -> None:
        """Serve new connections normally again."""
        self.is_silent = self.refuses = False
        self.delay = 0.0

    def _each(self, act: Callable[[Flow], None]) -> None:
        for flow in list(self._flows):
            self._loop.call_soon_threadsafe(act, flow)


def reset(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # closed already
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()
