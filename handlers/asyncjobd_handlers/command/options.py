"""The table [actions.NAME.options] of a command."""

import os
import pwd
from collections.abc import Mapping
from functools import cached_property
from grp import getgrnam
from pathlib import Path
from signal import Signals
from typing import Annotated, Literal

import msgspec

from asyncjobd import Outcome
from asyncjobd_handlers.command import arguments

Amount = Annotated[int, msgspec.Meta(ge=1, le=2**40)]
Ending = Literal["success", "completed", "retry_later", "failed", "fatal_error"]

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# of sysexits.h: wrong usage, wrong data and wrong configuration do not get better by themselves, EX_TEMPFAIL does
EXIT_CODES: Mapping[str, Ending] = {
    "0": "success", "64": "fatal_error", "65": "fatal_error", "75": "retry_later", "78": "fatal_error",
}  # fmt: skip


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of each of its processes, but `processes`: of all that its user has, and none for root."""

    cpu_seconds: Amount | None = None
    memory_mb: Annotated[int, msgspec.Meta(ge=1, le=2**30)] | None = None  # MiB of addresses
    open_files: Amount | None = None
    processes: Amount | None = None

    def __str__(self) -> str:
        limits = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return ", ".join(f"{name} = {limit}" for name, limit in limits if limit is not None)

    @property
    def encoded(self) -> str:
        """As the keeper takes them."""
        memory = None if self.memory_mb is None else self.memory_mb * 2**20
        values = (self.cpu_seconds, memory, self.open_files, self.processes)
        return ",".join("" if value is None else str(value) for value in values)


class CommandOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    argv: tuple[str, ...]  # the program and its arguments; see arguments.py
    environment: dict[str, str] = {}  # beside PATH, LANG, HOME, USER, LOGNAME and ASYNCJOBD_JOB_ID, ...
    inherit: tuple[str, ...] = ()  # what it gets of the daemon's environment, by name
    working_directory: str = "/"
    user: str = ""  # whom it runs as; empty: the daemon's. Only root can change it
    group: str = ""  # empty: the user's
    limits: Limits = Limits()
    exit_codes: dict[str, Ending] = {}  # beside EXIT_CODES; all others: failed
    grace: Annotated[float, msgspec.Meta(ge=0, le=3600)] = (
        2  # seconds from SIGTERM to SIGKILL; a fence has lease / 5
    )
    largest_log: Annotated[int, msgspec.Meta(ge=0)] = (
        1_000_000  # bytes of output that are logged; the rest is not
    )

    def __post_init__(self) -> None:
        arguments.check(self.argv)
        for name, value in self.environment.items():
            if not name or "=" in name or "\0" in name + value:
                raise ValueError(f"environment: {name!r} cannot be set")
        for code in self.exit_codes:
            if not (code.isascii() and code.isdecimal() and int(code) <= 255 and code == str(int(code))):
                raise ValueError(f"exit_codes: {code!r} is not a number from 0 to 255")
        if not Path(self.working_directory).is_absolute():
            raise ValueError(f"working_directory: {self.working_directory!r} is not absolute")
        if self.group and not self.user:
            raise ValueError("group: expected with a user")
        if self.user and os.geteuid() != 0:
            raise ValueError(f"user: only a daemon that runs as root can run a program as {self.user!r}")
        _ = self.ids, self.base_environment  # looked up once

    @property
    def _account(self) -> pwd.struct_passwd | None:
        """Whom it runs as. None where that has no name, as in some containers."""
        if self.user:
            try:
                return pwd.getpwnam(self.user)
            except KeyError:
                raise ValueError(f"user: there is no {self.user!r}") from None
        try:
            return pwd.getpwuid(os.geteuid())
        except KeyError:
            return None

    @cached_property
    def ids(self) -> str:
        """Of user, group and supplementary groups, as the keeper takes them; empty: the daemon's."""
        account = self._account
        if not self.user or account is None:
            return ""
        try:
            group = getgrnam(self.group).gr_gid if self.group else account.pw_gid
        except KeyError:
            raise ValueError(f"group: there is no {self.group!r}") from None
        return ",".join(map(str, [account.pw_uid, group, *os.getgrouplist(self.user, group)]))

    @cached_property
    def base_environment(self) -> dict[str, str]:
        """What each run of it has, whatever its job."""
        found = {"PATH": PATH, "LANG": "C.UTF-8"}
        if (account := self._account) is not None:
            found |= {"HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name}
        return (
            found | {name: os.environ[name] for name in self.inherit if name in os.environ} | self.environment
        )

    def ending(self, code: int) -> tuple[Outcome, str]:
        """What an exit code means, and in words; a negative one is a signal."""
        outcome = Outcome(self._endings.get(str(code), "failed"))
        ended = f"exited with {code}" if code >= 0 else f"killed by {_name(-code)}"
        if outcome is Outcome.FAILED and str(self.limits):
            ended += f" (its limits: {self.limits})"
        return outcome, ended

    @property
    def _endings(self) -> dict[str, Ending]:
        return {**EXIT_CODES, **self.exit_codes}


def _name(signal: int) -> str:
    try:
        return Signals(signal).name
    except ValueError:
        return f"signal {signal}"
