"""What people order a job to do: hold, release, run-now and cancel."""

from typing import NamedTuple

from asyncjobd.job import Status

LIVE = (Status.QUEUED, Status.IN_PROGRESS, Status.HOLD)


class Control(NamedTuple):
    """The status that an order writes, and the statuses that it applies to."""

    status: Status
    only_from: tuple[Status, ...]


CONTROLS = {
    "hold": Control(Status.HOLD, LIVE),
    "release": Control(Status.QUEUED, (Status.HOLD,)),
    "run-now": Control(Status.IN_PROGRESS, tuple(Status)),
    "cancel": Control(Status.FAILED, LIVE),
}
