"""The memory that this process has taken, and how much it may take."""

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_UNIFIED = (Path("/sys/fs/cgroup"), "memory.max")
_LEGACY = (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes")


def process_size() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def memory_limit() -> int:
    """Return the bytes that the machine has, or that a control group of this process may take, if that is less.

    Under systemd that is the unit's MemoryMax.
    """
    return min([os.sysconf("SC_PHYS_PAGES") * resource.getpagesize(), *_limits()])


def _limits() -> Iterator[int]:
    """Give the limits of this process's control groups and of those above them."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root, file = _LEGACY if controllers else _UNIFIED
        group = root / path.lstrip("/")
        for each in (group, *group.parents):
            with suppress(OSError, ValueError):  # it has none, or "max"
                yield int((each / file).read_text())
