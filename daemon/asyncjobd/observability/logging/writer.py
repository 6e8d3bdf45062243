"""A log writer with a thread of its own, so that a slow reader of the log never blocks the daemon.

The lines that wait are bounded in size. Further lines are dropped and counted, as are lines that cannot be
written; their number is written to the log as soon as that is possible again.
"""

import atexit
import os
import select
import threading
from collections.abc import Callable
from io import FileIO
from typing import Protocol

MAX_WAITING_BYTES = 4_000_000
GATHER_SECONDS = 0.005  # the time during which lines are collected, to be written together
CLOSE_SECONDS = 2.0  # the time for the reader to take the last lines at exit


class Sink(Protocol):
    """A destination of log lines. A chunk is one or more rendered lines."""

    def write(self, chunks: list[bytes]) -> list[bytes]:
        """Write the chunks, and return what could not be written. May block."""

    def lines(self, chunk: bytes) -> int:
        """Return the number of lines in a chunk."""


class Writer:
    """A thread that writes chunks of lines to a sink.

    Attributes:
        lost: The number of lines lost since the start.
    """

    def __init__(self, sink: Sink, render_lost: Callable[[int], bytes]) -> None:
        """Start the thread. `render_lost` returns the line that reports a number of lost lines."""
        self._sink = sink
        self._render_lost = render_lost
        self._chunks: list[bytes] = []  # waiting to be written
        self._size = 0  # bytes in the chunks
        self._unreported = 0  # lost lines that the log does not mention yet
        # A reentrant lock: a finaliser may run, and log, while its own thread holds it.
        self._filled = threading.Condition(threading.RLock())
        self._closing = threading.Event()
        self.lost = 0
        self._thread = threading.Thread(target=self._work, name="logs", daemon=True)
        self._thread.start()
        atexit.register(self.close)
        self._is_threadless = False
        os.register_at_fork(after_in_child=self._reset_after_fork)

    def put(self, chunk: bytes) -> None:
        """Add a chunk, from any thread, without ever blocking; drop it if too much waits."""
        with self._filled:
            if self._size > MAX_WAITING_BYTES:
                self._lose(chunk)
                return
            self._size += len(chunk)
            self._chunks.append(chunk)
            if self._is_threadless:
                self._write()
            elif len(self._chunks) == 1:
                self._filled.notify()

    def close(self) -> None:
        """Write the chunks that wait, for at most CLOSE_SECONDS, and end the thread."""
        atexit.unregister(self.close)
        self._closing.set()
        with self._filled:
            self._filled.notify()
        self._thread.join(CLOSE_SECONDS)

    def _reset_after_fork(self) -> None:
        """Make a forked child write by itself: it has no thread, and maybe a lock that nobody releases."""
        self._filled = threading.Condition(threading.RLock())
        self._chunks, self._size, self._unreported = [], 0, 0
        self._is_threadless = True

    def _work(self) -> None:
        while not self._closing.is_set():
            with self._filled:
                self._filled.wait_for(lambda: self._chunks or self._closing.is_set())
            self._closing.wait(GATHER_SECONDS)
            self._write()
        self._write()

    def _write(self) -> None:
        with self._filled:
            chunks, self._chunks, self._size = self._chunks, [], 0
            unreported, self._unreported = self._unreported, 0
        if unreported and self._sink.write([self._render_lost(unreported)]):
            unwritten = chunks
        else:
            unreported = 0
            unwritten = self._sink.write(chunks)
        with self._filled:
            self._unreported += unreported
            for chunk in unwritten:
                self._lose(chunk)

    def _lose(self, chunk: bytes) -> None:
        lines = self._sink.lines(chunk)
        self._unreported += lines
        self.lost += lines


class Stream:
    """A sink that writes text lines to a file descriptor, unbuffered."""

    def __init__(self, descriptor: int) -> None:
        self._file = FileIO(descriptor, "wb", closefd=False)
        self._is_torn = False  # the last line was written only in part

    def write(self, chunks: list[bytes]) -> list[bytes]:
        """Write the chunks, and return the rest that could not be written."""
        text = b"".join(chunks)
        rest = memoryview(b"\n" + text if self._is_torn and text else text)
        try:
            while rest:
                written = self._file.write(rest)
                if written is None:  # another process that shares the file has made it non-blocking
                    select.select([], [self._file], [])
                else:
                    self._is_torn = rest[written - 1] != ord("\n")
                    rest = rest[written:]
        except OSError:
            return [bytes(rest)]
        return []

    def lines(self, chunk: bytes) -> int:
        """Return the number of lines in a chunk."""
        return chunk.count(b"\n")
