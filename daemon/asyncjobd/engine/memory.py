"""The memory that this process has taken, and how much it may take."""

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

OWN_GROUPS = Path("/proc/self/cgroup")


class Share(NamedTuple):
    """The bytes that are taken of a limit."""

    taken: int
    limit: int


class Hierarchy(NamedTuple):
    """Where control groups are, and their files for memory. `reclaimable`: what of `taken` is cached files."""

    root: Path
    limits: tuple[str, ...]
    taken: str
    reclaimable: str


UNIFIED = Hierarchy(Path("/sys/fs/cgroup"), ("memory.max", "memory.high"), "memory.current", "inactive_file")
LEGACY = Hierarchy(
    Path("/sys/fs/cgroup/memory"), ("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_inactive_file"
)  # fmt: skip


def process_size() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def memory_share() -> Share:
    """Return the memory that is taken where the least is left: of the machine, or of a control group of this process.

    Of the machine it is what this process has taken, of a group what all its processes have: under systemd those of the
    unit, whose limit is its MemoryMax or MemoryHigh. Raise OSError where the system does not tell.
    """
    machine = Share(process_size(), os.sysconf("SC_PHYS_PAGES") * resource.getpagesize())
    return max([machine, *_shares()], key=lambda share: share.taken / max(share.limit, 1))


def _shares() -> Iterator[Share]:
    """Give the shares of this process's control groups, and of those above them, that have a limit."""
    for line in OWN_GROUPS.read_text(errors="surrogateescape").split("\n"):
        _, _, of_path = line.partition(":")
        controllers, _, path = of_path.partition(":")
        if not path or (controllers and "memory" not in controllers.split(",")):
            continue
        hierarchy = LEGACY if controllers else UNIFIED
        group = hierarchy.root / path.lstrip("/")
        for each in (group, *group.parents):
            # There is no group that we see, or it has no limit: "max"
            with suppress(OSError, ValueError, KeyError):
                yield _share(each, hierarchy)


def _share(group: Path, hierarchy: Hierarchy) -> Share:
    statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    taken = int((group / hierarchy.taken).read_text()) - int(statistics[hierarchy.reclaimable])
    limits = [(group / name).read_text().strip() for name in hierarchy.limits]
    return Share(taken, min(int(limit) for limit in limits if limit != "max"))
