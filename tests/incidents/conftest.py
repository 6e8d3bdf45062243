"""Fixtures of the staged incidents."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from asyncjobd.client import Client
from tests.incidents import incident_handlers
from tests.incidents.scene import Scene
from tests.support.actions import COMMON, Actions, actions_of
from tests.support.jobs import Connection


@pytest.fixture(scope="module")
def actions() -> Actions:
    return COMMON | actions_of(incident_handlers)


@pytest.fixture
async def client(dsn: str) -> AsyncIterator[Client]:
    async with Client.connect(dsn) as client:
        yield client


@pytest.fixture
def scene(dsn: str, client: Client) -> Scene:
    return Scene(dsn, client)


@pytest.fixture
async def other(dsn: str) -> AsyncIterator[Connection]:
    """Another client's connection."""
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "shop"})
    yield connection
    connection.terminate()
