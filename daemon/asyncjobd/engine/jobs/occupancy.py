"""Counts the jobs of limited actions that this daemon has."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain

from asyncjobd.actions.controls import Controls
from asyncjobd.engine.jobs.recorder import Recorder
from asyncjobd.engine.jobs.slots import Slots


class Occupancy:
    def __init__(self, slots: Slots, recorder: Recorder, controls: Controls) -> None:
        self._slots = slots
        self._recorder = recorder
        self._controls = controls

    def of(self, names: Sequence[str]) -> list[int | None]:
        """Return for each action how many of its jobs wait for a slot, run, or are not recorded yet; None where it is
        not limited."""
        limited = self._controls.limited_here
        if not limited:
            return [None] * len(names)
        jobs = chain(self._slots.jobs(), self._recorder.jobs())
        counts = Counter(job.job_name for job in jobs if job.job_name in limited)
        return [counts[name] if name in limited else None for name in names]
