"""Handlers that would harm a daemon that ran them in its own process."""

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from asyncjobd import Context, JobHandler, JobResult


async def pid(params: object, context: Context) -> JobResult:
    return JobResult.success(result=os.getpid())


def leaks(params: dict[str, int], context: Context) -> JobResult:
    """Allocate params["megabytes"], and touch them."""
    kept = [bytearray(b"x" * 1024**2) for _ in range(params["megabytes"])]
    return JobResult.success(result=[len(kept), os.getpid()])


kept_for_ever: list[bytearray] = []


def hoards(params: dict[str, int], context: Context) -> JobResult:
    """Keep params["megabytes"] for as long as the process lives."""
    kept_for_ever.extend(bytearray(b"x" * 1024**2) for _ in range(params["megabytes"]))
    return JobResult.success(result=os.getpid())


async def segfaults(params: object, context: Context) -> NoReturn:
    print("about to read where nothing is")
    ctypes.string_at(0)
    raise AssertionError


async def leaves(params: object, context: Context) -> NoReturn:
    os._exit(3)


async def raises_surrogates(params: object, context: Context) -> NoReturn:
    context.progress(0.5, "\ud800")
    raise RuntimeError("\ud800")


async def forks(params: object, context: Context) -> NoReturn:
    """Fork a process that goes on when this one has left."""
    if (child := os.fork()) == 0:
        time.sleep(3600)
    print(child)
    os._exit(5)


async def detaches(params: object, context: Context) -> NoReturn:
    """Fork a process in a session of its own that keeps all pipes of this one."""
    if (child := os.fork()) == 0:
        os.setsid()
        time.sleep(3600)
    await asyncio.sleep(0.1)
    print(child)
    os._exit(6)


async def is_killed(params: object, context: Context) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


async def is_killed_without_a_name(params: object, context: Context) -> NoReturn:
    """Die of a real-time signal, which Python has no name for."""
    os.kill(os.getpid(), signal.SIGRTMIN + 6)
    raise AssertionError


async def ignores_all(params: object, context: Context) -> NoReturn:
    """Ignore SIGTERM, SIGINT and every cancellation, and start a process that ignores them too."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sleeper = subprocess.Popen(["sleep", "3600"])
    context.progress(0.5, f"{os.getpid()} {sleeper.pid}")
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)


async def tidies_up(params: dict[str, str], context: Context) -> None:
    try:
        await context.progress(0.5, "begun")
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.01)
        Path(params["file"]).write_text("tidy")


async def spins(params: dict[str, str], context: Context) -> JobResult:
    """Block the event loop until params["file"] exists."""
    turns = 0
    context.progress(0.25, "spinning")
    while not Path(params["file"]).exists():
        turns += 1
    return JobResult.success(result=turns)


def dozes(params: object, context: Context) -> None:
    context.progress(0.5, str(os.getpid()))
    time.sleep(3600)


async def answers_much(params: dict[str, int], context: Context) -> JobResult:
    return JobResult.success("ä", result="x" * params["characters"])


async def prints(params: object, context: Context) -> None:
    print("to standard output")
    print("to standard error", file=sys.stderr)
    os.system("echo by a process of its own")


class tells(JobHandler[dict[str, Any]]):  # noqa: N801
    async def execute(self) -> JobResult:
        self.log.debug("for the curious")
        self.log.info("with a value", value=Path("/"), number=2**70)
        logging.getLogger("a.library").warning("by %s", "logging")
        try:
            raise ValueError("caught")
        except ValueError:
            self.log.exception("with a traceback")
        return JobResult.success()


async def tells_oddly(params: object, context: Context) -> None:
    """Log a surrogate, a key that is the name of a logger's own argument, and a value that has no text."""
    endless: list[object] = []
    endless.append(endless)
    context.log.bind(method_name="rpc").info("odd", file="\udc80", endless=endless)


async def prints_nul_and_dies(params: object, context: Context) -> NoReturn:
    print("before\0after", flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError
