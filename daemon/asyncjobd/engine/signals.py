"""The signals by which the parts of one daemon wake each other.

Each signal has one reader, which waits for it or, with `orphans`, looks whether it is set. Anybody may set it, and one
that is set while its reader is busy is remembered. `Signals` is made before the parts, so that each can be given those
that it sets or reads.
"""

from collections.abc import Iterable
from math import inf

from asyncjobd.engine.clock import DatabaseClock
from asyncjobd.engine.ended_jobs import EndedJobs
from asyncjobd.engine.wake import Wake

MAX_NAMED = 10  # job names that are announced one by one
MAX_ENDED = 100_000  # jobs that are kept by their ids
NO_WATCH = 0  # the watch of a row that waits for other jobs and has chosen none yet


class RowsReady(Wake):
    """Rows have become ready. Read by the claimer."""

    __slots__ = ("_are_all", "_job_names")

    def __init__(self) -> None:
        super().__init__()
        self._job_names: set[str] = set()
        self._are_all = False

    def add(self, *job_names: str) -> None:
        """Set the signal, for rows of these names or, without any, of unknown ones."""
        self._job_names.update(job_names)
        self._are_all = self._are_all or not job_names
        self.set()

    def take(self) -> tuple[set[str], bool]:
        """Clear the signal. Return the names that it was set for, and whether it was also set for unknown ones."""
        self.clear()
        taken = self._job_names, self._are_all
        self._job_names, self._are_all = set(), False
        return taken


class RowDue(Wake):
    """A row will be due: a Queued job, read by the timer, or a schedule, read by the scheduler.

    `epoch` is the earliest time that is known, in seconds since 1970 by the database's clock; 0 means "look now", None
    that nothing is due.
    """

    __slots__ = ("_clock", "epoch")

    def __init__(self) -> None:
        super().__init__()
        self.epoch: float | None = 0
        self._clock = DatabaseClock()

    def add(self, epoch: float) -> None:
        """Set the signal if the row is due before all that are known."""
        if self.epoch is None or epoch < self.epoch:
            self.epoch = epoch
            self.set()

    def note_clock(self, epoch: float) -> None:
        """Note what the database's clock says now."""
        self._clock.note(epoch)

    @property
    def clock(self) -> float:
        """The time of the database, in seconds since 1970, by its clock as it was noted last."""
        return self._clock.now

    @property
    def is_due(self) -> bool:
        """True if the row is due by now."""
        return self.epoch is not None and self.epoch <= self.clock

    async def wait_until_due(self) -> None:
        """Wait until the row is due, or an earlier one is known."""
        await self.wait(None if self.epoch is None else self.epoch - self.clock)


class JobsEnded(Wake):
    """Jobs have ended for which others may wait. Read by the resolver.

    While no row waits for others, `is_told` is False, and ends are not told.
    """

    __slots__ = ("_jobs", "is_told")

    def __init__(self) -> None:
        super().__init__()
        self._jobs = EndedJobs()
        self.is_told = True

    def add(self, ids: Iterable[int], *, have_failed: bool = False) -> None:
        """Tell that these jobs have ended. If they are too many to be kept, the resolver's sweep finds them."""
        if self.is_told and len(self._jobs) < MAX_ENDED:
            self._jobs.add(EndedJobs((), ids) if have_failed else EndedJobs(ids))
            self.set()

    def rows_wait(self) -> None:
        """Tell that rows wait for others, or may."""
        self.is_told = True
        self.add([NO_WATCH])

    def take(self) -> EndedJobs:
        """Return the jobs, and forget them."""
        jobs, self._jobs = self._jobs, EndedJobs()
        return jobs


class Announcements(Wake):
    """Other daemons should be told of rows. Read by the announcer."""

    __slots__ = ("_payloads",)

    def __init__(self) -> None:
        super().__init__()
        self._payloads: set[str] = set()

    def add_ready(self, *job_names: str) -> None:
        """Announce rows that this daemon has made ready, and may not run at once itself.

        Without names, or with many, every daemon looks for rows.
        """
        are_few = 0 < len(job_names) <= MAX_NAMED
        for payload in [f"ready {name}" for name in job_names] if are_few else ["ready"]:
            self._add(payload)

    def add_queued(self, due_epoch: float) -> None:
        """Announce a Queued row, which is due then (seconds since 1970, database time); infinity: see `made_queued`."""
        self._add("waits" if due_epoch == inf else f"due {due_epoch:.6f}")

    def _add(self, payload: str) -> None:
        self._payloads.add(payload)
        self.set()

    def take(self) -> set[str]:
        """Return the payloads of the notifications to send, and forget them."""
        payloads, self._payloads = self._payloads, set()
        return payloads


class Signals:
    """All signals of a daemon, each named after what has happened."""

    def __init__(self) -> None:
        self.rows_ready = RowsReady()
        self.row_due = RowDue()
        self.schedule_due = RowDue()
        self.jobs_ended = JobsEnded()
        # A client has stopped an execution, or deleted its row; read by the reconciler
        self.stop_requested = Wake()
        self.orphans = Wake()  # jobs may be owned by a daemon that has no row any more; read by the rescuer
        self.gate_changed = Wake()  # another daemon may have opened the notify gate; read by the notify gate
        self.announcements = Announcements()
        self.controls_changed = Wake()  # what clients control may be another; read by the control reader
        self.actions_replaced = Wake()  # other actions are served; read by the unknown names

    def made_ready(self, *job_names: str) -> None:
        """Signal that this daemon has made rows ready. Another one may have the free slot for them."""
        self.rows_ready.add(*job_names)
        self.announcements.add_ready()

    def made_queued(self, due_epoch: float) -> None:
        """Signal that a row is Queued now, and when it is due; infinity: it waits for other jobs."""
        if due_epoch == inf:
            self.jobs_ended.rows_wait()
        else:
            self.row_due.add(due_epoch)

    def made_queued_for_all(self, due_epoch: float) -> None:
        """Signal that a row is Queued now, here and to the other daemons."""
        self.made_queued(due_epoch)
        self.announcements.add_queued(due_epoch)

    def look_again(self) -> None:
        """Wake every part that looks for what no notification told of."""
        self.look_for_rows()
        self.look_for_rare_changes()
        self.stop_requested.set()

    def look_for_rows(self) -> None:
        """Wake every part that looks for rows which this daemon does not have."""
        self.gate_changed.set()
        self.controls_changed.set()
        self.rows_ready.add()
        self.row_due.add(0)
        self.jobs_ended.rows_wait()

    def look_for_rare_changes(self) -> None:
        """Wake the parts that look for what seldom happens: a schedule is changed, the row of a daemon is deleted."""
        self.schedule_due.add(0)
        self.orphans.set()
