"""A wrong clock, by libfaketime."""

from pathlib import Path


def faketime(offset: Path) -> dict[str, str]:
    """Return the environment of a process whose wall clock is off by what the file says ("+600s"), also while it runs.

    It is empty where libfaketime is not installed.
    """
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not libraries:
        return {}
    return {
        "LD_PRELOAD": str(libraries[0]),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
