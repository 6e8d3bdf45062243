"""Handlers that log, by every way there is."""

import asyncio
import logging
import time

import structlog

from asyncjobd import Context


async def logs(params: object, context: Context) -> None:
    structlog.get_logger("mine").info("by structlog")
    logging.getLogger("a.library").warning("by %s", "logging")
    context.log.debug("by the context")


def logs_in_thread(params: object, context: Context) -> None:
    logging.getLogger("a.library").warning("in a thread")


async def chatters(params: dict[str, int], context: Context) -> None:
    """Log params["lines"] lines, spread evenly over params["seconds"]."""
    log = context.log
    began = time.monotonic()
    for number in range(params["lines"]):
        log.info("a line like any other, of the usual length, with a number in it", number=number)
        if number % 100 == 99:
            ahead = began + number / params["lines"] * params["seconds"] - time.monotonic()
            await asyncio.sleep(max(ahead, 0))
