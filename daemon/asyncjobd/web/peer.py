"""Who is at the other end of the unix socket, as the kernel says (SO_PEERCRED), and the accounts of this machine."""

import asyncio
import grp
import os
import pwd
import socket
import struct
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

UNKNOWN_UID = 65534  # what the kernel says of somebody of another user namespace, so that it may be anybody
PEER = "asyncjobd.peer"  # a key of the scope

_CREDENTIALS = struct.Struct("iII")  # struct ucred: pid, uid, gid


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine."""

    uid: int
    name: str
    groups: frozenset[str]


class PeerProtocol(H11Protocol):
    """HTTP whose scope has the uid of the peer in PEER: None over TCP, and where the kernel does not know it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        app, uid = self.app, peer_uid(transport.get_extra_info("socket"))

        async def with_peer(scope: Any, receive: Receive, send: Send) -> None:
            await app({**scope, PEER: uid}, receive, send)

        self.app = with_peer


def peer_uid(connection: socket.socket) -> int | None:
    """Return the uid of who has made a connection; None over TCP, and where the kernel does not know it."""
    if connection.family != socket.AF_UNIX:
        return None
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid = _CREDENTIALS.unpack(credentials)[1]
    return None if uid == UNKNOWN_UID else uid


def peer_of(scope: Scope) -> int | None:
    """Return the uid of who makes a request, as PeerProtocol has found it."""
    uid: int | None = scope.get(PEER)
    return uid


def account_of(uid: int) -> Account | None:
    """Return the account of a uid; None where it has none. It may wait for a directory service."""
    try:
        entry = pwd.getpwuid(uid)
        gids = os.getgrouplist(entry.pw_name, entry.pw_gid)
    except (KeyError, OSError):
        return None
    return Account(uid, entry.pw_name, frozenset(filter(None, map(_group_name, gids))))


def _group_name(gid: int) -> str | None:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return None
