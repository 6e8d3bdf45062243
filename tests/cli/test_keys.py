"""Commands insert jobs with keys, and say which job has one."""

from pathlib import Path

import pytest

from tests.cli.commands import answered, config_of, printed, refused, run
from tests.support.jobs import Connection, insert

pytestmark = pytest.mark.anyio


@pytest.fixture
def config(dsn: str, tmp_path: Path) -> Path:
    return config_of(tmp_path, dsn)


async def test_once_key_that_is_taken_is_said_with_the_job_that_has_it(config: Path, db: Connection) -> None:
    await insert(db, "greet", once_key="'k'", status="'Completed'")
    assert refused(config, "enqueue", "succeed", "--once-key", "k") == (
        "Error: a job has the once key 'k': job 1 of greet, which is Completed; nothing was inserted\n"
    )
    await insert(db, "greet", unique_key="'u'", schedule_time="now() + interval '1 day'")
    assert "a live job has the unique key 'u': job " in refused(
        config, "enqueue", "succeed", "--once-key", "new", "--unique-key", "u"
    )


async def test_debounced_job_is_changed(config: Path) -> None:
    debounced = ("--debounce-key", "k", "--delay", "1 h", "--at-most", "90 min")
    first = answered(config, "enqueue", "greet", '{"name": "a"}', *debounced)
    second = answered(config, "enqueue", "greet", '{"name": "b"}', *debounced)
    assert (second["id"], second["params"], second["status"]) == (first["id"], {"name": "b"}, "Queued")
    assert second["schedule_time"] > first["schedule_time"]


async def test_options_of_debounce_go_together(config: Path) -> None:
    answered(config, "enqueue", "greet", '{"name": "a"}', "--debounce-key", "x", "--delay", "1 h")
    assert "debounce_key 'x' is that of job 1 of greet" in refused(
        config, "enqueue", "succeed", "--debounce-key", "x", "--delay", "1 h"
    )
    said = refused(config, "enqueue", "succeed", "--delay", "1 h", code=2)
    assert "--delay and --at-most go with a --debounce-key" in said
    said = refused(
        config, "enqueue", "succeed", "--debounce-key", "k", "--delay", "2 h", "--at-most", "1 h", code=2
    )
    assert "debounce at_most 1:00:00 is less than the delay 2:00:00" in said
    said = refused(
        config, "enqueue", "succeed", "--debounce-key", "k", "--delay", "1 h", "--at", "9:30", code=2
    )
    assert "--delay and --at exclude each other" in said
    said = refused(config, "enqueue", "succeed", "--debounce-key", "k", "--once-key", "k", code=2)
    assert "succeed has the debounce_key 'k' and another key" in said


async def test_job_is_shown_by_its_key(config: Path, db: Connection) -> None:
    job_id = await insert(
        db, "succeed", unique_key="'u'", debounce_key="'d'", once_key="'o'", status="'Hold'"
    )
    for key in "udo":
        assert answered(config, "show", "--key", key)["id"] == job_id
    shown = printed(config, "show", "--key", "d")
    assert all(f"{kind}_key" in shown for kind in ("unique", "debounce", "once"))
    await insert(db, "succeed", once_key="'u'")
    assert refused(config, "show", "--key", "u") == (
        f"Error: jobs {job_id} and {job_id + 1} have the key 'u', of different kinds: show one by its id\n"
    )
    await db.execute("update asyncjob.job set status = 'Failed'")
    assert answered(config, "show", "--key", "o")["status"] == "Failed"
    assert (
        refused(config, "show", "--key", "d")
        == "Error: no job has the key 'd': an INSERT with it inserts a job\n"
    )


async def test_show_takes_an_id_or_a_key(config: Path) -> None:
    for given in ([], ["1", "--key", "k"]):
        assert run(config, "show", *given).returncode == 2
        assert "Give a JOB_ID or a --key." in refused(config, "show", *given, code=2)
