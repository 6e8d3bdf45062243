"""Who may look, and who may order: by [web] viewers and operators, from the socket, a proxy, or a session."""

import asyncio
import os
from collections.abc import Collection
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Scope

from asyncjobd.config.web import WebConfig
from asyncjobd.web.peer import Account, account_of, peer_of
from asyncjobd.web.proxy import proxy_uids
from asyncjobd.web.sessions import Sessions
from asyncjobd.web.viewer import MayNotLook, Viewer

LONGEST_NAME = 200  # characters, as many as orders are signed with
UNKNOWN = (
    "asyncjobd does not know who you are: on its machine, `asyncjobd web link` prints a link that says it; from yours, "
    "`ssh -L` to its socket does (asyncjobd help web_page)"
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whose name is known.

    Attributes:
        name: The name.
        groups: Their groups.
        is_owner: True for root and for who runs this process: they can read its dsn, and may do all.
    """

    name: str
    groups: frozenset[str]
    is_owner: bool = False

    def is_in(self, names: Collection[str]) -> bool:
        """Return whether a list of the configuration names this person."""
        return "*" in names or self.name in names or any(f"group:{group}" in names for group in self.groups)


class Access:
    """Decides who makes a request, and what they may do."""

    def __init__(self, config: WebConfig, sessions: Sessions) -> None:
        self._config = config
        self._sessions = sessions
        self._proxies = proxy_uids(config)

    async def viewer_of(self, request: Request) -> Viewer:
        """Return who makes a request. Raise MayNotLook."""
        person = await self._person(request)
        if person is None:
            raise MayNotLook(UNKNOWN)
        return self._viewer(person)

    async def viewer_by_uid(self, uid: int) -> Viewer:
        """Return a user of this machine. Raise MayNotLook."""
        account = await asyncio.to_thread(account_of, uid)
        if account is None:
            raise MayNotLook(f"the user id {uid} has no name on this machine")
        return self._viewer(_person_of(account))

    def local_uid(self, scope: Scope) -> int | None:
        """Return the user of this machine who makes a request over the socket; None for a proxy, and over TCP."""
        uid = peer_of(scope)
        return None if uid in self._proxies else uid

    def _viewer(self, person: Person) -> Viewer:
        can_order = person.is_owner or person.is_in(self._config.operators)
        if not (can_order or person.is_in(self._config.viewers)):
            raise MayNotLook(f"{person.name} may not look: [web] viewers and operators name who may")
        return Viewer(person.name, can_order)

    async def _person(self, request: Request) -> Person | None:
        """Return who makes a request: whom a proxy names, else the user at the socket, else whose session it is."""
        if (
            self._config.user_header and self._config.user_header in request.headers
        ):  # proxies have let it through
            return self._named_by_proxy(request)
        uid = self.local_uid(request.scope)
        if uid is None:
            uid = self._sessions.uid_of(request.cookies.get(self._sessions.cookie))
        account = None if uid is None else await asyncio.to_thread(account_of, uid)
        return None if account is None else _person_of(account)

    def _named_by_proxy(self, request: Request) -> Person | None:
        given = [each.strip() for each in request.headers.getlist(self._config.user_header)]
        if len(given) != 1 or not given[0].isprintable() or not 0 < len(given[0]) <= LONGEST_NAME:
            return None
        groups = request.headers.get(self._config.groups_header, "") if self._config.groups_header else ""
        return Person(given[0], frozenset(filter(None, map(str.strip, groups.split(",")))))


def _person_of(account: Account) -> Person:
    return Person(account.name, account.groups, is_owner=account.uid in {0, os.geteuid()})
