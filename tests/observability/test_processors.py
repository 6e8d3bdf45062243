"""Functions of the site that see each event before it is written."""

import json
import re
from pathlib import Path

import pytest

from tests.conftest import NewDaemon
from tests.docs.snippets import named
from tests.observability import log_processors
from tests.observability.log_processors import SECRET, succeeds_quietly, tells_a_secret
from tests.support.actions import action
from tests.support.daemon import asyncjobd, write_config
from tests.support.jobs import Connection, insert, settled

pytestmark = pytest.mark.anyio

ACTIONS = {"Tells": action(tells_a_secret, max_execution_count=1), "Quiet": action(succeeds_quietly)}
MODULE = log_processors.__name__
PROCESSORS = [f"{MODULE}:redact", f"{MODULE}:drops_and_fails"]


@pytest.mark.parametrize("form", ["json", "console"])
async def test_no_line_has_what_a_processor_takes_out(
    db: Connection, start_daemon: NewDaemon, form: str
) -> None:
    environment = {"NO_COLOR": "1"}
    logging = {"processors": PROCESSORS, "format": form}
    daemon = start_daemon(actions=ACTIONS, logging=logging, environment=environment)
    job_id = await insert(db, "Tells")
    await settled(db, job_id)
    await settled(db, await insert(db, "Quiet"))
    assert daemon.stop() == 0
    text = daemon.log.read_text()
    assert SECRET not in text
    assert "wrong password: ***" in text  # in the traceback
    assert "logged in with ***" in text
    assert "to be dropped" not in text
    if form == "json":
        withheld = daemon.events("log.withheld")
        assert [(each["job_id"], each["reason"]) for each in withheld] == [
            (job_id, "ValueError"),
            (job_id, "TypeError"),
        ]
        assert daemon.events("job.completed", job_name="Quiet")


@pytest.mark.parametrize(
    ("processor", "reason"),
    [
        ("nowhere:redact", "cannot import 'nowhere'"),
        (f"{MODULE}:no_processor", "is no function of logger, method and event that returns the event"),
        (f"{MODULE}:SECRET", "is no function of logger, method and event that returns the event"),
    ],
)
def test_what_is_no_processor_is_refused(dsn: str, tmp_path: Path, processor: str, reason: str) -> None:
    config = write_config(tmp_path, dsn, {}, logging={"processors": [processor]})
    for command in (["run"], ["config", "check"]):
        refused = asyncjobd("--config", str(config), *command)
        assert refused.returncode == 78
        assert f"{config}: [logging] processors: " in refused.stderr
        assert reason in refused.stderr


def test_recipe_redacts(tmp_path: Path) -> None:
    space: dict[str, object] = {}
    exec(named("redact").text, space)
    redact = space["redact"]
    assert callable(redact)
    event = {
        "event": "login",
        "header": "Authorization: abc; x",
        "text": "password=hunter2, ok",
        "card_number": "1",
    }
    assert redact(None, "info", event) == {
        "event": "login", "header": "Authorization: ***; x", "text": "password=***, ok",
    }  # fmt: skip
    assert re.findall(r"processors = (\[.*\])", named("redact-config").text) == [
        json.dumps(["my_log:redact"])
    ]
