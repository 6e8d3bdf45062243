"""Handlers of the actions that the commands are tried with."""

import asyncio
from typing import Any

from asyncjobd import Context


async def succeed(params: dict[str, Any], context: Context) -> None:
    """Do nothing."""


async def block(params: dict[str, Any], context: Context) -> None:
    """Run until it is stopped."""
    await asyncio.sleep(3600)


async def fail(params: dict[str, Any], context: Context) -> None:
    """Fail after a while, with a message of many words."""
    raise KeyError("the reason, which is " + "rather long and " * 12 + "ends here")


async def greet(params: dict[str, str], context: Context) -> None:
    """Greet somebody, by a name that the type of the params does not say."""
    assert params["name"]
