"""The options of a command: the table [actions.NAME.options]."""

import os
import pwd
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from grp import getgrnam
from pathlib import Path
from signal import Signals
from typing import Annotated, Literal

import msgspec

from asyncjobd import Outcome
from asyncjobd.config.durations import DurationText, format_duration
from asyncjobd.config.sizes import SizeText, parse_size
from asyncjobd_handlers.command import arguments

Amount = Annotated[int, msgspec.Meta(ge=1, le=2**40)]
CpuTime = Annotated[timedelta, DurationText(at_least=timedelta(seconds=1))]
Memory = Annotated[str, SizeText(at_least=1024**2)]
Grace = Annotated[timedelta, DurationText(at_most=timedelta(hours=1))]
ExitOutcome = Literal["success", "completed", "retry_later", "failed", "fatal_error"]

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# by sysexits.h: wrong usage, data and configuration stay wrong; EX_TEMPFAIL is for now
EXIT_CODES: Mapping[str, ExitOutcome] = {
    "0": "success", "64": "fatal_error", "65": "fatal_error", "75": "retry_later", "78": "fatal_error",
}  # fmt: skip


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of each process of the program. `processes` limits all that its user has, and does nothing
    for root."""

    cpu_time: CpuTime | None = None  # whole seconds
    memory: Memory | None = None  # address space
    open_files: Amount | None = None
    processes: Amount | None = None

    def __str__(self) -> str:
        cpu_time = None if self.cpu_time is None else format_duration(self.cpu_time)
        named = {"cpu_time": cpu_time, "memory": self.memory, "open_files": self.open_files,
                 "processes": self.processes}  # fmt: skip
        return ", ".join(f"{name} = {limit}" for name, limit in named.items() if limit is not None)

    @property
    def encoded(self) -> str:
        """Return the limits as keeper.py takes them: seconds, bytes, files and processes."""
        cpu_time = None if self.cpu_time is None else int(self.cpu_time.total_seconds())
        memory = None if self.memory is None else parse_size(self.memory)
        values = (cpu_time, memory, self.open_files, self.processes)
        return ",".join("" if value is None else str(value) for value in values)


class CommandOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """The program, and what it may have. It runs as the daemon's user unless the daemon is root and names
    another."""

    argv: tuple[str, ...]  # the program and its arguments; see arguments.py
    environment: dict[str, str] = {}  # beside PATH, LANG, HOME, USER, LOGNAME and ASYNCJOBD_JOB_ID, ...
    inherit: tuple[str, ...] = ()  # names of variables that it gets from the daemon's environment
    working_directory: str = "/"
    user: str = ""  # empty: the daemon's
    group: str = ""  # empty: the user's
    limits: Limits = Limits()
    exit_codes: dict[str, ExitOutcome] = {}  # beside EXIT_CODES; all others are failed
    # From SIGTERM to SIGKILL; a daemon that lost its lease has a fifth of that
    grace: Grace = timedelta(seconds=2)
    largest_log: Annotated[int, msgspec.Meta(ge=0)] = 1_000_000  # bytes of output that are logged

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
        _ = self.ids, self.base_environment  # looked up once, and refused here if they are wrong

    @property
    def _account(self) -> pwd.struct_passwd | None:
        """Return the account that it runs as; None if the user has no name, as in some containers."""
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
        """Return user, group and supplementary groups as keeper.py takes them; empty: those of the daemon."""
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
        """Return the environment that each run has, whatever its job."""
        found = {"PATH": PATH, "LANG": "C.UTF-8"}
        if (account := self._account) is not None:
            found |= {"HOME": account.pw_dir, "USER": account.pw_name, "LOGNAME": account.pw_name}
        inherited = {name: os.environ[name] for name in self.inherit if name in os.environ}
        return found | inherited | self.environment

    def outcome_of(self, code: int) -> Outcome:
        """Return the outcome of an exit code; a negative one is a signal."""
        return Outcome({**EXIT_CODES, **self.exit_codes}.get(str(code), "failed"))

    def describe_exit(self, code: int) -> str:
        """Return "exited with 3" or "killed by SIGXCPU"; for a failure also the limits, as one may be the
        cause."""
        ended = f"exited with {code}" if code >= 0 else f"killed by {_signal_name(-code)}"
        if self.outcome_of(code) is Outcome.FAILED and str(self.limits):
            ended += f" (its limits: {self.limits})"
        return ended


def _signal_name(signal: int) -> str:
    try:
        return Signals(signal).name
    except ValueError:
        return f"signal {signal}"
