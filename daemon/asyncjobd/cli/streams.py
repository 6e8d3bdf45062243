"""Standard streams that every command can use, whatever it was started with."""

import io
import os
import sys


def mend() -> None:
    """A closed one becomes /dev/null: its number would go to a socket, and libuv aborts where it is to close that one.
    What the terminal's encoding does not have is shown as a question mark."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
