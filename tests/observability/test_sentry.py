"""The hook that tells Sentry of failures, with the real SDK and a transport that writes to a file."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NewDaemon
from tests.observability import sentry_handlers
from tests.support.actions import action, actions_of
from tests.support.daemon import DEADLINE
from tests.support.jobs import Connection, insert, running, set_status, settled, unowned

pytestmark = pytest.mark.anyio

SOON = "interval '10 ms'"
ACTIONS = actions_of(sentry_handlers, max_execution_count=2) | {
    "fatal": action(sentry_handlers.raises_lookup, fatal_exceptions=["builtins:LookupError"]),
}


class Sentry:
    """What was sent."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def events(self) -> list[dict[str, Any]]:
        return (
            [json.loads(line) for line in self._file.read_text().splitlines()] if self._file.exists() else []
        )

    def wait_for(self, job_id: int) -> dict[str, Any]:
        """Return the first event of a job."""
        deadline = time.monotonic() + DEADLINE
        while not (found := [event for event in self.events if event["tags"]["job"] == job_id]):
            assert time.monotonic() < deadline, self.events
            time.sleep(0.01)
        return found[0]

    def tries(self, job_id: int) -> list[int]:
        return [event["tags"]["try"] for event in self.events if event["tags"]["job"] == job_id]


@pytest.fixture
def sentry(tmp_path: Path) -> Sentry:
    return Sentry(tmp_path / "events")


def start(start_daemon: NewDaemon, tmp_path: Path, hook: str) -> None:
    hooks = [f"asyncjobd_handlers.sentry:{hook}"]
    start_daemon(actions=ACTIONS, hooks=hooks, environment={"EVENTS": str(tmp_path / "events")}).ready()


async def test_only_the_end_of_a_job_is_told(
    db: Connection, start_daemon: NewDaemon, tmp_path: Path, sentry: Sentry
) -> None:
    start(start_daemon, tmp_path, "capture")
    raised = await insert(db, "raises", retry_interval=SOON)
    failed = await insert(db, "fails", retry_interval=SOON)
    fatal = await insert(db, "fatal", max_execution_count="5")
    late = await insert(db, "blocks", timeout=SOON, max_execution_count="1")
    stopped = await insert(db, "blocks")
    told = await insert(db, "succeeds")
    await running(db, stopped)
    await set_status(db, stopped, "Hold")
    await unowned(db, stopped, "Hold")
    for job_id in (raised, failed, fatal, late, told):
        await settled(db, job_id)

    event = sentry.wait_for(raised)
    assert event["tags"] == {"job": raised, "action": "raises", "try": 2}
    assert event["exception"]["values"][0]["type"] == "KeyError"
    assert sentry.wait_for(failed)["message"] == "fails: not today"
    assert sentry.wait_for(late)["message"] == "blocks: still running after its timeout"
    assert sentry.wait_for(fatal)["tags"]["try"] == 1
    assert sentry.wait_for(told)["message"] == "by the handler"
    assert [sentry.tries(job_id) for job_id in (raised, failed, stopped)] == [[2], [2], []]


async def test_each_failed_time_of_a_recursive_job_is_told(
    db: Connection, start_daemon: NewDaemon, tmp_path: Path, sentry: Sentry
) -> None:
    start(start_daemon, tmp_path, "capture")
    job_id = await insert(db, "raises", is_recursive="true", retry_interval="interval '1 day'")
    assert sentry.wait_for(job_id)["tags"]["try"] == 1


async def test_every_failure_is_told_where_that_is_asked_for(
    db: Connection, start_daemon: NewDaemon, tmp_path: Path, sentry: Sentry
) -> None:
    start(start_daemon, tmp_path, "capture_all")
    job_id = await insert(db, "raises", retry_interval=SOON)
    await settled(db, job_id)
    assert sentry.tries(job_id) == [1, 2]
