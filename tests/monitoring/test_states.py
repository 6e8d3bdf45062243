"""A job is in the same state wherever it is looked at."""

from typing import Any

import pytest

from asyncjobd.client import Client
from asyncjobd.monitoring.states import state_in_list, state_of, state_of_row

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("status", "daemon_id", "stop_requested", "state"),
    [
        ("In Progress", None, False, "ready"),
        ("In Progress", 7, False, "running"),
        ("In Progress", 7, True, "stopping"),
        ("Failed", 7, False, "stopping"),
        ("Failed", None, False, "Failed"),
        ("Hold", None, False, "Hold"),
        ("Queued", None, False, "Queued"),
    ],
)
async def test_job_has_one_state_in_a_list_as_a_row_and_as_an_object(
    dsn: str, db: Any, status: str, daemon_id: int | None, stop_requested: bool, state: str
) -> None:
    job_id = await db.fetchval("insert into asyncjob.job (job_name) values ('Sum') returning id")
    await db.execute("alter table asyncjob.job disable trigger user")
    await db.execute(
        "update asyncjob.job set status = $2, daemon_id = $3, stop_requested = $4 where id = $1",
        job_id, status, daemon_id, stop_requested,
    )  # fmt: skip
    row = await db.fetchrow("select job.* from asyncjob.job where job.id = $1", job_id)
    listed = {"status": status, "is_running": daemon_id is not None, "is_stopping": stop_requested}
    async with Client.connect(dsn) as client:
        job = await client.get(job_id)
    assert job is not None
    assert [state_of(job), state_of_row(dict(row)), state_in_list(listed)] == [state] * 3
