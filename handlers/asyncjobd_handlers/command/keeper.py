"""The keeper: a process between the daemon and a program, so that nothing of the program outlives its
execution.

The program is its child, in a session of its own. Descendants that lose their parent become the keeper's
children too (PR_SET_CHILD_SUBREAPER), so that it finds all of them. It ends when none is left, with the
program's exit code.

    stop requested, or program ended   SIGTERM to its group and to those that left it; after `grace` SIGKILL
    the daemon is gone                 SIGKILL at once, as another daemon may begin the job again
    the keeper itself is killed        the kernel kills the program

It starts with every command, so it imports little of the standard library, and nothing else.
"""

import ctypes
import os
import resource
import select
import signal
import sys
import time
from contextlib import suppress
from typing import NoReturn

LIMITS = (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC)
IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # the keeper ends with the program
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
PAUSE = 0.01  # seconds between two checks of what is being killed

prctl = ctypes.CDLL(None, use_errno=True).prctl


def main() -> None:
    control, grace, limits, ids, directory, *argv = sys.argv[1:]
    os.set_inheritable(int(control), False)
    # descriptors that the daemon's event loop has left open
    for descriptor in os.listdir("/proc/self/fd"):  # noqa: PTH208
        if descriptor not in {"0", "1", "2", control}:
            with suppress(OSError):  # the descriptor of the listing is closed already
                os.close(int(descriptor))
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    keeper = os.getpid()
    program = os.fork()
    if program == 0:
        _become(keeper, int(control), limits, ids, directory, argv)
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # without a handler it does not reach the wake-up pipe
    _end_like(_keep(program, int(control), float(grace)))


def _keep(program: int, control: int, grace: float) -> os.waitid_result:
    """Wait until the program and all its descendants have ended, and return how the program did."""
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    sources = [control, woken]
    killed_from = None  # monotonic
    while True:
        # WNOWAIT: while the program is not reaped, no other process group can get its number
        ended = os.waitid(os.P_PID, program, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        others = _others(program)
        if ended and not others:
            os.waitpid(program, 0)  # a daemon that is process 1, as in a container, would inherit a zombie
            return ended
        if ended and killed_from is None:
            killed_from = time.monotonic() + grace
            _signal(signal.SIGTERM, program, others)
        left = None if killed_from is None else killed_from - time.monotonic()
        if left is not None and left <= 0:
            _signal(signal.SIGKILL, program, others)
            left = PAUSE
        ready, _, _ = select.select(sources, [], [], left)
        if woken in ready:
            os.read(woken, 4096)
        if control in ready:
            is_stop = _read(control)
            sources = [woken] if not is_stop else sources
            now = time.monotonic()
            if is_stop and killed_from is None:
                _signal(signal.SIGTERM, program, others)
                killed_from = now + grace
            elif not is_stop:
                killed_from = now


def _read(control: int) -> bytes:
    """Return a byte if a stop is requested; nothing if the daemon is gone."""
    try:
        return os.read(control, 1)
    except ConnectionResetError:
        return b""


def _others(program: int) -> list[int]:
    """Reap the keeper's other children, which lost their parents, and return those that live."""
    with open(f"/proc/self/task/{os.getpid()}/children") as children:  # noqa: PTH123
        found = [pid for pid in map(int, children.read().split()) if pid != program]
    return [pid for pid in found if os.waitpid(pid, os.WNOHANG) == (0, 0)]


def _signal(number: int, program: int, others: list[int]) -> None:
    """Send a signal to all. Processes of another user, by a setuid program, cannot be reached; they are
    waited for."""
    with suppress(ProcessLookupError, PermissionError):  # the program may not have made its group yet
        os.killpg(program, number)
    for pid in [program, *others]:
        if os.getpgid(pid) != program:
            with suppress(PermissionError):
                os.kill(pid, number)


def _become(keeper: int, control: int, limits: str, ids: str, directory: str, argv: list[str]) -> NoReturn:
    """Become the program, in the child; or tell the daemon why that is not possible."""
    step = f"the working directory {directory!r}"
    try:
        os.setsid()
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these
            signal.signal(number, signal.SIG_DFL)
        for kind, limit in zip(LIMITS, limits.split(","), strict=True):
            if limit:
                _limit(kind, int(limit))
        if ids:
            step = f"the user {ids}"
            user, group, *groups = map(int, ids.split(","))
            for stream in (1, 2):  # else the user could not open /dev/stderr
                os.fchown(stream, user, group)
            os.setgroups(groups)
            os.setresgid(group, group, group)
            os.setresuid(user, user, user)
            step = f"the working directory {directory!r}"
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # after the change of user, which undoes it
        if os.getppid() != keeper:
            os._exit(0)
        os.chdir(directory)
        step = f"the program {argv[0]!r}"
        os.execvp(argv[0], argv)  # noqa: S606
    except BaseException as error:
        os.write(control, f"{step}: {getattr(error, 'strerror', None) or error}".encode(errors="replace"))
        os._exit(1)


def _limit(kind: int, limit: int) -> None:
    """Set a limit, never above the present one. SIGXCPU comes at the soft limit of CPU time, SIGKILL a
    second later."""
    most = resource.getrlimit(kind)[1]
    hard = limit + 1 if kind == resource.RLIMIT_CPU else limit
    if most != resource.RLIM_INFINITY:
        limit, hard = min(limit, most), min(hard, most)
    resource.setrlimit(kind, (limit, hard))


def _end_like(ended: os.waitid_result) -> NoReturn:
    """End with the exit code or by the signal of the program."""
    if ended.si_code == os.CLD_EXITED:
        os._exit(ended.si_status)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # SIGKILL has no handler
        signal.signal(ended.si_status, signal.SIG_DFL)
    os.kill(os.getpid(), ended.si_status)
    os._exit(1)


if __name__ == "__main__":
    main()
