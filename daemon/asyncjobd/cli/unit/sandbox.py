"""Find out whether the user of a unit, from whom its sandbox hides folders, can read the program."""

import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

import asyncjobd
from asyncjobd.cli.unit.template import program

HIDDEN = {
    "/home": "ProtectHome=",
    "/root": "ProtectHome=",
    "/run/user": "ProtectHome=",
    "/tmp": "PrivateTmp=",  # noqa: S108
    "/var/tmp": "PrivateTmp=",  # noqa: S108
}  # folders, and the settings of the units that hide them


def obstacle() -> str | None:
    """Return why the service could not run this installation; None where it can.

    Raise Failure where there is no program that a unit can start.
    """
    return unreadable([program(), Path(sys.executable), Path(asyncjobd.__file__), Path(os.__file__)])


def unreadable(paths: Iterable[Path]) -> str | None:
    """Return why some of these files cannot be read by a user without rights in the sandbox; None where all can."""
    for path in paths:
        for file in (path, path.resolve()):
            for folder, setting in HIDDEN.items():
                if file.is_relative_to(folder):
                    return f"{file} is below {folder}, which the unit's {setting} hides"
            for each in (file, *file.parents):
                mode = each.stat().st_mode
                if not mode & (stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IROTH):
                    return (
                        f"{each} has the mode {stat.filemode(mode)}, so that the unit's user cannot read it"
                    )
    return None
