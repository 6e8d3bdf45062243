"""Standard streams that every command can use, whatever it was started with."""

import errno
import io
import os
import sys

import click

UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}  # what a full or broken disk answers


def say(line: str, *, err: bool = False) -> None:
    """Print a line in the midst of work, which goes on where nobody reads it any more."""
    try:
        click.echo(line, err=err)
    except BrokenPipeError:
        discard_output(2 if err else 1)


def discard_output(number: int = 1) -> None:
    """Send what was not written to /dev/null: the interpreter would try again at its end, and fail."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)


def repair() -> None:
    """Open closed standard streams on /dev/null, and print what the terminal's encoding lacks as a question mark.

    The number of a closed stream would go to a socket, and libuv aborts the process where it is to close that one.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
