"""Habits from elsewhere work, or are refused with a message that says what to do instead."""

import sys
from pathlib import Path

import pytest

from asyncjobd.actions.imports import LoadError, load_object
from tests.conftest import NewDaemon
from tests.support.jobs import Connection, insert, settled

pytestmark = pytest.mark.anyio

HANDLERS = '''
import asyncio, functools
from asyncjobd import Context, JobBuilder, JobHandler, JobResult


def plain(params, context):
    """In a thread, it inserts children."""
    first = context.insert(JobBuilder("child").build())
    more = context.insert_many([JobBuilder("child").build()] * 2)
    return JobResult.success(result=[first, *more])


async def child(params, context):
    return None


async def wrong(params, context):
    context.insert(JobBuilder("child").build())


def logged(function):
    @functools.wraps(function)
    def wrapper(*arguments):
        return function(*arguments)
    return wrapper


def hidden(function):
    return lambda params, context: function(params, context)


@logged
async def wrapped(params, context):
    await asyncio.sleep(0)
    return JobResult.success("wrapped")


@hidden
async def disguised(params, context):
    await asyncio.sleep(0)
    return JobResult.success("disguised")


class decorated(JobHandler):
    @logged
    async def execute(self):
        return JobResult.success("decorated")
'''


@pytest.fixture
def start(start_daemon: NewDaemon, tmp_path: Path) -> None:
    (tmp_path / "habits.py").write_text(HANDLERS)
    names = ("plain", "child", "wrong", "wrapped", "disguised", "decorated")
    actions = {name: {"handler": f"habits:{name}", "max_execution_count": 1} for name in names}
    actions["isolated"] = actions["plain"] | {"isolation": "process"}
    start_daemon(handler_path=[str(tmp_path)], actions=actions).ready()


@pytest.mark.parametrize("name", ["plain", "isolated"])
async def test_plain_function_inserts_children_without_a_loop_of_its_own(
    db: Connection, start: None, name: str
) -> None:
    job_id = await insert(db, name)
    job = await settled(db, job_id)
    assert job["status"] == "Completed", job["message"]
    children = await db.fetch("select id, parent_id from asyncjob.job where job_name = 'child' order by id")
    assert str([child["id"] for child in children]) == job["result"]
    assert {child["parent_id"] for child in children} == {job_id}


async def test_coroutine_that_would_wait_for_its_own_loop_is_refused(db: Connection, start: None) -> None:
    job = await settled(db, await insert(db, "wrong"))
    assert job["status"] == "Failed"
    assert "in a coroutine, await the method of context.client" in job["message"]


@pytest.mark.parametrize("name", ["wrapped", "disguised", "decorated"])
async def test_decorated_coroutine_is_run_as_one(db: Connection, start: None, name: str) -> None:
    job = await settled(db, await insert(db, name))
    assert (job["status"], job["message"]) == ("Completed", name)


@pytest.mark.parametrize("name", ["email", "queue", "time"])
def test_handlers_file_that_is_called_as_a_module_of_python_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    __import__(name)
    file = tmp_path / f"{name}.py"
    file.write_text("async def send(params, context): ...")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(LoadError, match=rf"{file} is not imported as '{name}': .*give the file another name"):
        load_object(f"{name}:send")
