"""The database as it is seen along one way."""

import asyncio
from typing import Any

from asyncjobd.config.model import DatabaseConfig
from asyncjobd.postgres.database import Database, Use
from asyncjobd.postgres.dsn import CONNECT_SECONDS
from tests.simulation.route import Route
from tests.simulation.server import Server
from tests.simulation.session import SteeredSession
from tests.simulation.story import Story

SLOWEST_CONNECT = 0.02  # seconds


class SteeredDatabase(Database):
    def __init__(self, dsn: str, server: Server, route: Route, story: Story) -> None:
        super().__init__(DatabaseConfig(dsn=dsn))
        self._story = story
        self._server = server
        self._route = route

    def for_another_thread(self) -> "SteeredDatabase":
        return self

    def query(self, name: str, /, **arguments: Any) -> tuple[Any, ...]:
        """Return the query, whose name the story shows from then on."""
        found = super().query(name, **arguments)
        self._story.name_query(found[0], name)
        return found

    async def connect(self, purpose: str, use: Use = Use.CLIENT) -> Any:
        """Return a new session. Raise OSError where the way is blocked."""
        connecting = super().connect(purpose, use)
        opened: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def arrive() -> None:
            if opened.done():
                connecting.close()
            elif self._route.is_refused:
                connecting.close()
                opened.set_exception(ConnectionRefusedError("connection refused"))
            elif self._route.is_silent:
                connecting.close()
                self._route.later(CONNECT_SECONDS, _fail, opened)
            else:
                opened.set_result(self._server.connect(use, connecting, self._route.share()))

        self._route.later(self._route.latency() + SLOWEST_CONNECT * self._route.share(), arrive)
        return SteeredSession(await opened, self._server, self._route, self._story, use)


def _fail(opened: "asyncio.Future[Any]") -> None:
    if not opened.done():
        opened.set_exception(TimeoutError())
