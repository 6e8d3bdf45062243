"""What is wrong names its page: in what commands print, in their JSON, and as a link on the page."""

from pathlib import Path

import httpx
import pytest

from tests.cli.commands import answered, config_of, printed
from tests.support.daemon import asyncjobd
from tests.support.jobs import Connection, insert

pytestmark = pytest.mark.anyio


@pytest.fixture
def config(dsn: str, tmp_path: Path) -> Path:
    return config_of(tmp_path, dsn)


async def test_commands_name_it(config: Path, db: Connection) -> None:
    await insert(db, "succeed")
    assert " no daemon is alive -> asyncjobd help no_daemon\n" in printed(config, "status")
    assert " -> asyncjobd help no_daemon\n" in printed(config, "show", "1")
    assert {
        "is_grave": True,
        "text": "no daemon is alive",
        "topic": "no_daemon",
    } in answered(config, "status")["troubles"]
    doctor = asyncjobd("--config", str(config), "doctor").stdout
    assert " -> asyncjobd help no_daemon\n" in doctor
    assert doctor.count("-> asyncjobd help ") == len(
        [line for line in doctor.splitlines() if line[0] in "pw"]
    )


async def test_page_links_to_it(pages: httpx.AsyncClient, db: Connection) -> None:
    job_id = await insert(db, "nobodys")
    topics = {
        "/": "no_daemon",
        "/database": "no_daemon",
        f"/jobs/{job_id}": "no_daemon",
        "/actions/nobodys": "nobody_serves_it",
    }
    for path, topic in topics.items():
        answer = await pages.get(path, headers={"Accept": "text/html"})
        assert f'href="/help/{topic}"' in answer.text, path
        assert (await pages.get(f"/help/{topic}")).status_code == 200
