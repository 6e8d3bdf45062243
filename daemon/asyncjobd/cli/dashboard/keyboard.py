"""The keys of the terminal, read by the event loop."""

import asyncio
import os
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

SEQUENCES = {"A": "up", "B": "down"}  # after ESC [ or ESC O
KEYS = {"\n": "enter", "\r": "enter", "\t": "tab", "\x7f": "backspace", "\x08": "backspace"}
HANG_UP = "hang up"  # stands for a terminal that is gone


class Decoder:
    """Turns bytes into keys. A sequence may come in pieces; one that is not known is no key."""

    def __init__(self) -> None:
        self._sequence = ""  # begun, and not at its end yet

    def feed(self, data: bytes) -> Iterator[str]:
        """Yield the keys that end in these bytes."""
        for character in data.decode("latin-1"):
            if character == "\x1b":
                self._sequence = character
                yield "escape"
            elif self._sequence == "\x1b" and character in "[O":
                self._sequence += character
            elif len(self._sequence) > 1:
                if "@" <= character <= "~":
                    self._sequence = ""
                    if character in SEQUENCES:
                        yield SEQUENCES[character]
            else:
                self._sequence = ""
                yield KEYS.get(character, character)


@contextmanager
def keyboard(pressed: Callable[[str], None]) -> Iterator[None]:
    """Call `pressed` with each key, in the running event loop; at the end the terminal is as it was."""
    loop = asyncio.get_running_loop()
    decoder = Decoder()
    # opened anew: the event loop makes it non-blocking, and the shell's and standard output are the same open file
    terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)

    def read() -> None:
        try:
            data = os.read(terminal, 1024)
        except OSError:
            data = b""
        if not data:
            loop.remove_reader(terminal)
            pressed(HANG_UP)
        for key in decoder.feed(data):
            pressed(key)

    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        loop.add_reader(terminal, read)
        yield
    finally:
        loop.remove_reader(terminal)
        with suppress(termios.error):  # it is gone
            termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
        os.close(terminal)
