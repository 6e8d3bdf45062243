"""Standard streams that every command can use, whatever it was started with."""

import io
import os
import sys


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
