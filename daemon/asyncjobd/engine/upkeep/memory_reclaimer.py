"""Returns unused memory to the system.

The garbage collector runs after the size of the process has changed: `asyncjobd run` lets it look at old objects hardly
ever, and reference cycles of handlers would stay. The C library is asked for what was freed after the size has been the
same for a while: it keeps it otherwise (640 MB after 100 jobs with 8 MB of params at once), and giving it back takes
time that work would need (150 ms for 600 MB). Both are done again after ever longer times, as what is in use at one
look and free at the next cannot be seen from outside. While nothing runs, nobody looks.
"""

import asyncio
import ctypes
import gc
from time import monotonic

from asyncjobd.engine.jobs.slots import Slots
from asyncjobd.engine.memory import process_size

CHECK_INTERVAL = 1.0  # seconds between two looks at the size of the process
MIN_CHANGE = 32 * 1024**2  # bytes; a smaller change is none
MAX_TIME_SHARE = 0.02  # spent on collections that free nothing, since a handler may keep very many objects

_malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it


class MemoryReclaimer:
    def __init__(self, slots: Slots) -> None:
        self._slots = slots

    async def run(self) -> None:
        before, pause = process_size(), CHECK_INTERVAL
        while True:
            due = monotonic() + pause
            while _is_same(before, size := process_size()) and (left := due - monotonic()) > 0:
                await self._rest(left)
            is_same = _is_same(before, size)
            began = monotonic()
            gc.collect()
            if is_same and _malloc_trim is not None:
                _malloc_trim(0)
            took = monotonic() - began
            before, pause = process_size(), 2 * pause if is_same else CHECK_INTERVAL
            has_freed = before <= size - MIN_CHANGE
            await asyncio.sleep(CHECK_INTERVAL if has_freed else took / MAX_TIME_SHARE)

    async def _rest(self, longest: float) -> None:
        """Wait for the next look; if nothing runs, until something does."""
        if not self._slots.running:
            await self._slots.filled.wait(longest)
        await asyncio.sleep(CHECK_INTERVAL)


def _is_same(before: int, now: int) -> bool:
    return abs(now - before) < MIN_CHANGE
