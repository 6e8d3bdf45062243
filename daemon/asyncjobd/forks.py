"""Isolation of the processes that a handler forks (multiprocessing, os.fork) from the process it runs in.

A forked child starts as a copy of its parent, which causes three problems that this module prevents:

- The child has the parent's signal handlers, which would wake up the event loop of the parent.
- The child has the parent's database sessions and listening sockets, which would stay open after the parent's
  end.
- The child would return from the handler into the parent's code, and continue as a second daemon.
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

is_child = False  # True in a process that was forked after `isolate_children`

_get_descriptors: "WeakKeyDictionary[Any, Callable[[Any], int]]" = WeakKeyDictionary()  # by owner
_saved = threading.local()


def isolate_children(*signals: int) -> None:
    """Isolate the processes that this process forks from now on. Call it once a process.

    Args:
        signals: The signals that this process handles, besides SIGCHLD. Children handle them by default
            again.
    """
    handled = {*signals, signal.SIGCHLD}

    def before_fork() -> None:
        """Delay the signals until the child has its own handlers."""
        _saved.mask = signal.pthread_sigmask(signal.SIG_BLOCK, handled)

    def after_fork_in_parent() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, _saved.mask)

    def after_fork_in_child() -> None:
        global is_child
        is_child = True
        signal.set_wakeup_fd(-1)
        for number in handled:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, handled - _saved.mask)
        # A thread that forks is the child's only thread: at exit the child would wait for it, that is, for
        # itself.
        threads._threads_queues.clear()  # type: ignore[attr-defined]
        _close_inherited()

    os.register_at_fork(
        before=before_fork, after_in_parent=after_fork_in_parent, after_in_child=after_fork_in_child
    )


def close_in_children(owner: Any, get_descriptor: Callable[[Any], int] = socket.socket.fileno) -> None:
    """Close the file descriptor of a socket or connection in children forked while the owner exists.

    Args:
        owner: The object that has the descriptor; only a weak reference is kept.
        get_descriptor: Returns the descriptor of the owner, or -1 if it has none at present.
    """
    _get_descriptors[owner] = get_descriptor


def _close_inherited() -> None:
    """Replace the parent's descriptors by /dev/null, so that no other file gets their numbers."""
    devnull = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for owner, get_descriptor in list(_get_descriptors.items()):
        with suppress(OSError):
            if (descriptor := get_descriptor(owner)) >= 0:
                os.dup2(devnull, descriptor, inheritable=False)
    os.close(devnull)


def exit_if_child() -> None:
    """Exit if this process is a forked child, at the end of the handler that forked it.

    Call it where a handler has returned or raised. An exception in flight is printed, and decides the exit
    code.
    """
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
