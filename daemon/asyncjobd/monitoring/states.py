"""The state of a job in one word: its status, with In Progress told apart as ready and running."""

from asyncjobd.job import Status

COLOURS = {
    "Queued": "cyan", "ready": "cyan", "running": "cyan", "stopping": "yellow", "Completed": "green",
    "Failed": "red", "Hold": "yellow",
}  # fmt: skip


def state_of(status: Status, *, is_running: bool, is_stopping: bool = False) -> str:
    """Return ready (no daemon has the job yet), running, stopping (its handler was told to end), or the status.

    A job whose status is final while its handler still runs is stopping.
    """
    if is_running:
        return "stopping" if is_stopping or status is not Status.IN_PROGRESS else "running"
    return "ready" if status is Status.IN_PROGRESS else status.value
