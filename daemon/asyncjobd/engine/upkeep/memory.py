"""Gives memory back that nothing needs any more.

Python's own collector hardly ever looks at old objects, as `asyncjobd run` has set it, so that cycles of handlers would
stay: it is called when the process has changed its size. And malloc keeps what was freed, 640 MB after 100 jobs with
8 MB of params at once: it is asked for that when the size has been the same for a while, as work would need it again at
once (150 ms for 600 MB). Both are done again after ever longer times: what is in use at one look and free at the next
cannot be seen from outside. While nothing runs nobody looks.
"""

import asyncio
import ctypes
import gc
import resource
from pathlib import Path
from time import monotonic

from asyncjobd.engine.jobs.runner import Runner

INTERVAL = 1.0  # seconds between two looks at how large the process is
CHANGE = 32 * 1024**2  # bytes; less is the same
SHARE = 0.02  # of the time, for collections that give nothing back: a handler may keep very many objects

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it


class MemoryReclaimer:
    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    async def run(self) -> None:
        before, pause = _size(), INTERVAL
        while True:
            due = monotonic() + pause
            while (is_same := abs((size := _size()) - before) < CHANGE) and (left := due - monotonic()) > 0:
                await self._rest(left)
            began = monotonic()
            gc.collect()
            if is_same and _trim is not None:
                _trim(0)
            took = monotonic() - began
            before, pause = _size(), 2 * pause if is_same else INTERVAL
            await asyncio.sleep(INTERVAL if before <= size - CHANGE else took / SHARE)

    async def _rest(self, longest: float) -> None:
        """Where nothing runs, until something does."""
        if not self._runner.running:
            await self._runner.started.wait(longest)
        await asyncio.sleep(INTERVAL)


def _size() -> int:
    """Bytes of memory that the process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
