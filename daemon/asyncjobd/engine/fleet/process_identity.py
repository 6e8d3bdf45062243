"""The identity of a process, by which another one on the same machine can prove that it is dead."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

NEVER = 0  # the start of a process that does not run


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process. Within a `boot` (the boot of a kernel, and a pid namespace in it) pid and start time name one only."""

    host: str
    boot: str
    pid: int
    start: int

    @classmethod
    def current(cls) -> "ProcessIdentity":
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        pid = os.getpid()
        return cls(
            socket.gethostname(),
            f"{boot} {Path('/proc/self/ns/pid').readlink()}",
            pid,
            _start_time(pid) or NEVER,
        )

    def is_dead_for(self, observer: "ProcessIdentity") -> bool:
        """Return whether the process has ended. Return False where the observer cannot know it."""
        return self.boot == observer.boot and _start_time(self.pid) not in {None, self.start}


def _start_time(pid: int) -> int | None:
    """Return the start time of a process in clock ticks since boot, or NEVER if no such process runs.

    Return None if it runs, but shows itself to its own user only (ProtectProc=, hidepid).
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None if _is_there(pid) else NEVER
    return NEVER if fields[0] in {"Z", "X"} else int(fields[19])


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
