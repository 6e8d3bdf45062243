"""Keeps what a handler forks (multiprocessing, os.fork) apart from this process.

A child begins with all that its parent has: signal handlers that would wake the parent's event loop in place of the
child's, sessions of the database and a port that would outlive the parent with it, and the place where it was forked,
from which it would go on as a second parent.
"""

import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import thread as threads
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

is_child = False  # this process was forked by one that has called `keep_apart`

_withheld: "WeakKeyDictionary[Any, Callable[[Any], int]]" = WeakKeyDictionary()
_masks = threading.local()


def keep_apart(*signals: int) -> None:
    """From here on, once a process: what it forks does not take `signals` as it does, nor SIGCHLD, which the event loop
    takes, and has nothing that is withheld."""
    own = {*signals, signal.SIGCHLD}

    def begin() -> None:
        """One that comes before the child is ready waits."""
        _masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, own)

    def end() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before)

    def part() -> None:
        global is_child
        is_child = True
        signal.set_wakeup_fd(-1)
        for number in own:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, own - _masks.before)
        threads._threads_queues.clear()  # type: ignore[attr-defined]  # one that forks waits for itself at its end
        _cut_off()

    os.register_at_fork(before=begin, after_in_parent=end, after_in_child=part)


def withhold(owner: Any, descriptor: Callable[[Any], int] = socket.socket.fileno) -> None:
    """Give children /dev/null in place of the owner's descriptor, as long as the owner exists and has one (not -1)."""
    _withheld[owner] = descriptor


def _cut_off() -> None:
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for owner, descriptor in list(_withheld.items()):
        with suppress(OSError):
            if (found := descriptor(owner)) >= 0:
                os.dup2(nothing, found, inheritable=False)
    os.close(nothing)


def end_child() -> None:
    """End this process if it is a child, and has come to the end of the handler that forked it, by an answer or by an
    exception."""
    if not is_child:
        return
    error = sys.exc_info()[1]
    code = error.code if isinstance(error, SystemExit) else int(error is not None)
    if error is not None and not isinstance(error, SystemExit):
        traceback.print_exception(error)
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
