"""Fixtures of the staged incidents."""

from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from asyncjobd.client import Client
from asyncjobd.web.pages import database
from asyncjobd.web.viewer import Viewer
from tests.incidents import incident_handlers
from tests.incidents.scene import Scene
from tests.support.actions import COMMON, Actions, actions_of
from tests.support.jobs import Connection
from tests.support.visits import visiting


@pytest.fixture(scope="module")
def actions() -> Actions:
    return COMMON | actions_of(incident_handlers)


@pytest.fixture
async def client(dsn: str) -> AsyncIterator[Client]:
    async with Client.connect(dsn) as client:
        yield client


@pytest.fixture
async def pages(dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """The web page, as an operator asks it, which examines the database again at once."""
    monkeypatch.setattr(database, "PACE", 0.1)
    async with visiting(dsn, Viewer("ann", can_order=True)) as pages:
        yield pages


@pytest.fixture
def scene(dsn: str, client: Client, pages: httpx.AsyncClient) -> Scene:
    return Scene(dsn, client, pages)


@pytest.fixture
async def other(dsn: str) -> AsyncIterator[Connection]:
    """Another client's connection."""
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "shop"})
    yield connection
    connection.terminate()
