"""Writes log lines in a thread of its own, so that whoever reads them slowly, or not at all, holds up nobody.

What waits is bounded: more than that is dropped and counted, as is what cannot be written. The number is told as soon
as lines can be written again.
"""

import atexit
import os
import select
import threading
from collections.abc import Callable
from io import FileIO
from typing import Protocol

LIMIT = 4_000_000  # bytes that wait to be written
MOMENT = 0.005  # seconds for which lines gather, to be written at once
LAST_WAIT = 2.0  # seconds for a slow reader at the end


class Sink(Protocol):
    def write(self, chunks: list[bytes]) -> list[bytes]:
        """May block. Answers what could not be written."""

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
        # Of a lock that its thread may take again: wherever it has it, a finaliser can run, and log.
        self._filled = threading.Condition(threading.RLock())
        self._closing = threading.Event()
        self.lost = 0  # lines, since the start
        self._thread = threading.Thread(target=self._work, name="logs", daemon=True)
        self._thread.start()
        atexit.register(self.close)
        self._is_alone = False
        os.register_at_fork(after_in_child=self._forked)

    def put(self, chunk: bytes) -> None:
        """Called from any thread; never waits."""
        with self._filled:
            if self._size > LIMIT:
                self._lose(chunk)
                return
            self._size += len(chunk)
            self._chunks.append(chunk)
            if self._is_alone:
                self._write()
            elif len(self._chunks) == 1:
                self._filled.notify()

    def close(self) -> None:
        """Writes what is there, as far as it is read in time."""
        atexit.unregister(self.close)
        self._closing.set()
        with self._filled:
            self._filled.notify()
        self._thread.join(LAST_WAIT)

    def _forked(self) -> None:
        """A child process has no thread of ours, and perhaps a lock that nobody gives back: it writes by itself."""
        self._filled = threading.Condition(threading.RLock())
        self._chunks, self._size, self._untold = [], 0, 0
        self._is_alone = True

    def _work(self) -> None:
        while not self._closing.is_set():
            with self._filled:
                self._filled.wait_for(lambda: self._chunks or self._closing.is_set())
            self._closing.wait(MOMENT)
            self._write()
        self._write()

    def _write(self) -> None:
        with self._filled:
            chunks, self._chunks, self._size = self._chunks, [], 0
            untold, self._untold = self._untold, 0
        if untold and self._sink.write([self._tell(untold)]):
            unwritten = chunks
        else:
            untold = 0
            unwritten = self._sink.write(chunks)
        with self._filled:
            self._untold += untold
            for chunk in unwritten:
                self._lose(chunk)

    def _lose(self, chunk: bytes) -> None:
        lines = self._sink.lines(chunk)
        self._untold += lines
        self.lost += lines


class Stream:
    """Lines into a file descriptor, unbuffered."""

    def __init__(self, descriptor: int) -> None:
        self._file = FileIO(descriptor, "wb", closefd=False)
        self._is_torn = False  # the last line that was written, as its end could not be

    def write(self, chunks: list[bytes]) -> list[bytes]:
        text = b"".join(chunks)
        rest = memoryview(b"\n" + text if self._is_torn and text else text)
        try:
            while rest:
                written = self._file.write(rest)
                if written is None:  # somebody who has the file too has made it one that does not block
                    select.select([], [self._file], [])
                else:
                    self._is_torn = rest[written - 1] != ord("\n")
                    rest = rest[written:]
        except OSError:
            return [bytes(rest)]
        return []

    def lines(self, chunk: bytes) -> int:
        return chunk.count(b"\n")
