"""Writes log lines in a thread of its own, so that whoever reads them slowly, or not at all, holds up nobody.

What waits is bounded: more than that is dropped and counted, as is what cannot be written. The number is told as soon
as lines can be written again.
"""

import atexit
import threading
from collections.abc import Callable
from io import FileIO
from typing import Protocol

LIMIT = 4_000_000  # bytes that wait to be written
MOMENT = 0.005  # seconds for which lines gather, to be written at once
LAST_WAIT = 2.0  # seconds for a slow reader at the end


class Sink(Protocol):
    def write(self, chunks: list[bytes]) -> None:
        """May block. Raises OSError."""

    def lines(self, chunk: bytes) -> int:
        """How many there are in it."""


class Writer:
    def __init__(self, sink: Sink, tell: Callable[[int], bytes]) -> None:
        """`tell`: the line that says how many were lost."""
        self._sink = sink
        self._tell = tell
        self._chunks: list[bytes] = []
        self._size = 0
        self._untold = 0
        self._guard = threading.Lock()
        self._filled = threading.Event()
        self._closing = threading.Event()
        self.lost = 0  # lines, since the start
        self._thread = threading.Thread(target=self._work, name="logs", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def put(self, chunk: bytes) -> None:
        """Called from any thread; never waits."""
        with self._guard:
            if self._size > LIMIT:
                self._lose(chunk)
                return
            self._size += len(chunk)
            self._chunks.append(chunk)
        if not self._filled.is_set():
            self._filled.set()

    def close(self) -> None:
        """Writes what is there, as far as it is read in time."""
        atexit.unregister(self.close)
        self._closing.set()
        self._filled.set()
        self._thread.join(LAST_WAIT)

    def _work(self) -> None:
        while not self._closing.is_set():
            self._filled.wait()
            self._closing.wait(MOMENT)
            self._filled.clear()
            self._write()
        self._write()

    def _write(self) -> None:
        with self._guard:
            chunks, self._chunks, self._size = self._chunks, [], 0
            untold, self._untold = self._untold, 0
        if untold:
            chunks.insert(0, self._tell(untold))
        if not chunks:
            return
        try:
            self._sink.write(chunks)
        except OSError:
            with self._guard:
                self._untold += untold
                for chunk in chunks[1:] if untold else chunks:
                    self._lose(chunk)

    def _lose(self, chunk: bytes) -> None:
        lines = self._sink.lines(chunk)
        self._untold += lines
        self.lost += lines


class Stream:
    """Lines into a file descriptor, unbuffered."""

    def __init__(self, descriptor: int) -> None:
        self._file = FileIO(descriptor, "wb", closefd=False)

    def write(self, chunks: list[bytes]) -> None:
        rest = memoryview(b"".join(chunks))
        while rest:
            rest = rest[self._file.write(rest) :]

    def lines(self, chunk: bytes) -> int:
        return chunk.count(b"\n")
