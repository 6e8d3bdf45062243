"""Handlers that fork: by multiprocessing, by os.fork, and by preexec_fn."""

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import structlog

from asyncjobd import Context, JobResult

fork = multiprocessing.get_context("fork")


def sleeps(ready: int) -> None:
    time.sleep(3600)


def handles_signals(ready: int) -> None:
    """Handle signals as a process does that ends in its own way."""

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(100 + number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    os.write(ready, b"!")
    while True:  # Python sees a signal that comes just before a sleep only after it
        time.sleep(0.01)


def signals(params: dict[str, Any], context: Context) -> JobResult:
    """Start processes, and end each by the signal: at once, or when it says that it is ready."""
    codes = []
    reading, ready = os.pipe()
    for _ in range(params["times"]):
        process = fork.Process(target=globals()[params["child"]], args=(ready,))
        process.start()
        assert process.pid is not None
        if params["child"] == "handles_signals":
            os.read(reading, 1)
        os.kill(process.pid, params["signal"])
        process.join(5)
        codes.append(process.exitcode)
        process.kill()
    os.close(reading)
    os.close(ready)
    return JobResult.success(result=codes)


async def signals_in_loop(params: dict[str, Any], context: Context) -> JobResult:
    return signals(params, context)


def inherits(params: dict[str, str], context: Context) -> JobResult:
    """Return the signals that a process forked by params["by"] catches."""
    reading, writing = os.pipe()

    def tell() -> None:
        lines = Path("/proc/self/status").read_text().splitlines()
        os.write(writing, next(line.split()[1] for line in lines if line.startswith("SigCgt")).encode())

    if params["by"] == "preexec_fn":
        subprocess.run(["true"], preexec_fn=tell, check=True)
    elif params["by"] == "os.fork":
        if (child := os.fork()) == 0:
            tell()
            os._exit(0)
        os.waitpid(child, 0)
    else:
        process = fork.Process(target=tell)
        process.start()
        process.join()
    caught = int(os.read(reading, 100), 16)  # a bit for each signal that has a handler
    os.close(reading)
    os.close(writing)
    return JobResult.success(
        result=[
            number
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)
            if caught >> (number - 1) & 1
        ]
    )


async def inherits_in_loop(params: dict[str, str], context: Context) -> JobResult:
    return inherits(params, context)


def comes_back(params: dict[str, str], context: Context) -> JobResult:
    """Fork a child that goes on as if it were its parent."""
    if (child := os.fork()) == 0:
        if params["end"] == "raises":
            raise ValueError("in the child")
        if params["end"] == "exits":
            sys.exit(3)
        return JobResult.success("by the child")
    deadline = time.monotonic() + 5
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    if ended == (0, 0):
        os.kill(child, signal.SIGKILL)
        ended = os.waitpid(child, 0)
    return JobResult.success("by the parent", os.waitstatus_to_exitcode(ended[1]))


async def comes_back_in_loop(params: dict[str, str], context: Context) -> JobResult:
    return comes_back(params, context)


def tells(context: Context, times: int, size: int) -> None:
    for number in range(times):
        structlog.get_logger().info("by structlog", number=number, text="x" * size)
        logging.getLogger("a.library").warning("by logging %s", number)
        context.progress(0.5, "x" * size)
    context.log.info("by the context")


def logs(params: dict[str, int], context: Context) -> None:
    """Log in two processes at once."""
    process = fork.Process(target=tells, args=(context, params["times"], params["size"]))
    process.start()
    tells(context, params["times"], params["size"])
    process.join(10)
    if process.exitcode != 0:
        process.kill()
        raise RuntimeError(process.exitcode)


async def leaves_a_process(params: dict[str, Any], context: Context) -> JobResult:
    """Fork a process and stay in an open transaction that has written a row."""
    async with context.transaction() as connection:
        await connection.execute("update effect set n = n + 1")
        if (child := os.fork()) == 0:
            os.setsid()
            time.sleep(3600)
        await context.progress(0.5, str(child))
        while True:
            await connection.execute("select pg_sleep(0.1)")
