"""The virtual clocks of the machine and of the server: files that libfaketime shows to processes as the time."""

import os
from datetime import UTC, datetime
from math import ceil
from pathlib import Path

START = datetime(2030, 1, 1, tzinfo=UTC)  # of each world
OWN, SERVERS = "clock", "server-clock"  # names of files


class Clock:
    """Counts microseconds since 1970. It goes on only when it is told to, and the server's clock with it."""

    def __init__(self, folder: Path) -> None:
        self._own = _Face(folder / OWN)
        self._servers = _Face(folder / SERVERS)
        self.reset()

    def reset(self) -> None:
        """Go back to START."""
        self._micros = int(START.timestamp()) * 1_000_000
        self._server_is_ahead = 0
        self._show()

    def step_server(self, micros: int) -> None:
        """Set the server's clock to so many microseconds after the time, or before it."""
        self._server_is_ahead = micros
        self._show()

    @property
    def now(self) -> float:
        """The seconds since 1970, as time.monotonic and time.time have them too."""
        return self._micros * 1000 / 1e9

    @property
    def elapsed(self) -> float:
        """The seconds since START."""
        return self._micros / 1e6 - START.timestamp()

    def advance(self, micros: int) -> None:
        """Go on by so many microseconds."""
        self._micros += micros
        self._show()

    def advance_to(self, when: float) -> None:
        """Go on to the first microsecond that is not before `when`."""
        self._micros = max(self._micros, ceil(when * 1e6))
        while self.now < when:
            self._micros += 1
        self._show()

    def _show(self) -> None:
        self._own.show(self._micros)
        self._servers.show(self._micros + self._server_is_ahead)


class _Face:
    """A file with the time."""

    def __init__(self, file: Path) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT)
        self._second = -1
        self._text = b""  # of the second

    def show(self, micros: int) -> None:
        second, rest = divmod(micros, 1_000_000)
        if second != self._second:
            self._second = second
            self._text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S.").encode()
        os.pwrite(self._file, self._text + b"%06d\n" % rest, 0)


def virtual_time(file: Path) -> dict[str, str]:
    """Return the environment of a process for which it is always what the file says.

    Raise RuntimeError where libfaketime is missing.
    """
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not libraries:
        raise RuntimeError("the simulation needs libfaketime: apt install libfaketime")
    return {
        "LD_PRELOAD": str(libraries[0]),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "NO_FAKE_STAT": "1",
        "TZ": "UTC",
    }
