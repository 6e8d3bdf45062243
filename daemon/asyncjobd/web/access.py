"""Who may look, and who may order: by [web] viewers and operators, from the socket, a proxy, or a session."""

import asyncio
import os
from collections.abc import Collection
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Scope

from asyncjobd.config.web import WebConfig
from asyncjobd.web.peer import Account, account_of, peer_of
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
        is_named = self.name in names and not self.name.startswith("group:")
        return "*" in names or is_named or any(f"group:{group}" in names for group in self.groups)


class Access:
    """Decides who makes a request, and what they may do."""

    def __init__(self, config: WebConfig, sessions: Sessions, proxies: frozenset[int]) -> None:
        """`proxies`: the uids of the users that proxies run as, who are not people."""
        self._config = config
        self._sessions = sessions
        self._proxies = proxies

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

    def is_program(self, scope: Scope) -> bool:
        """Return whether a user of this machine makes a request, so that it need not come from a page."""
        return self.local_uid(scope) is not None

    def _viewer(self, person: Person) -> Viewer:
        can_order = person.is_owner or person.is_in(self._config.operators)
        if not (can_order or person.is_in(self._config.viewers)):
            raise MayNotLook(f"{person.name} may not look: [web] viewers and operators name who may")
        return Viewer(person.name, can_order)

    async def _person(self, request: Request) -> Person | None:
        """Return who makes a request: whom a proxy names, else the user at the socket, else whose session it is."""
        # The header comes from a proxy, as the request would have been refused otherwise
        if self._config.user_header and self._config.user_header in request.headers:
            return self._named_by_proxy(request)
        uid = self.local_uid(request.scope)
        if uid is None:
            uid = self._sessions.uid_of(request.cookies.get(self._sessions.cookie))
        account = None if uid is None else await asyncio.to_thread(account_of, uid)
        return None if account is None else _person_of(account)

    def _named_by_proxy(self, request: Request) -> Person | None:
        """Return the person of a proxy's headers; None where they name nobody, or more than one."""
        names = _texts(request, self._config.user_header)
        if len(names) != 1 or not names[0].isprintable() or not 0 < len(names[0]) <= LONGEST_NAME:
            return None
        groups = ",".join(_texts(request, self._config.groups_header)).split(",")
        return Person(names[0], frozenset(filter(None, map(str.strip, groups))))


def _texts(request: Request, header: str) -> list[str]:
    """Return the values of a header, which are UTF-8 where they are not ASCII; none where they are neither."""
    try:
        return [each.encode("latin-1").decode().strip() for each in request.headers.getlist(header)]
    except UnicodeDecodeError:
        return []


def _person_of(account: Account) -> Person:
    return Person(account.name, account.groups, is_owner=account.uid in {0, os.geteuid()})
