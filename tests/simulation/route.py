"""The way of one daemon or client to the server, and what faults do to it."""

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from random import Random
from typing import TYPE_CHECKING, Any

from tests.simulation.loop import owner

if TYPE_CHECKING:
    from tests.simulation.session import SteeredSession

KEEPALIVE = (15.0, 40.0)  # seconds after which one side finds out that the other one is gone


class Route:
    """The connections along one way."""

    def __init__(self, random: Random, latency: float) -> None:
        """`latency`: seconds of one way, on average."""
        self._random = random
        self._latency = latency
        self.sessions: list[SteeredSession] = []
        self.delay = 0.0  # seconds, in addition
        self.is_silent = False  # nothing gets through, and nobody is told
        self.is_refused = False  # no connection is made
        self.is_read_only = False  # each statement is refused
        self.losing = 0  # how many replies will be lost, with their connections
        self.loses_notifications = False

    def latency(self) -> float:
        """Return the seconds of one way."""
        return self._random.expovariate(1 / self._latency) + self.delay * self._random.random()

    def keepalive(self) -> float:
        return self._random.uniform(*KEEPALIVE)

    def share(self) -> float:
        """Return a random number between 0 and 1."""
        return self._random.random()

    def later(self, seconds: float, call: Callable[..., Any], *arguments: Any) -> None:
        """Call on behalf of the network."""
        context = copy_context()
        context.run(owner.set, "network")
        asyncio.get_running_loop().call_later(seconds, call, *arguments, context=context)

    def loses_request(self) -> bool:
        return self.is_silent

    def loses_reply(self) -> bool:
        """Return whether this reply is lost. Its connection then ends."""
        if self.losing:
            self.losing -= 1
            for session in list(self.sessions):
                session.end()
            return True
        return self.is_silent

    def forget(self, session: "SteeredSession") -> None:
        self.sessions.remove(session)

    def cut(self) -> None:
        """End all connections."""
        for session in list(self.sessions):
            session.end()
