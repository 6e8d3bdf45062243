"""Handlers that are in somebody's way."""

import asyncio
from typing import Any

from asyncjobd import Context


async def keeps_its_transaction(params: dict[str, Any], context: Context) -> None:
    """Open the handler's transaction, and do not end."""
    async with context.transaction():
        await asyncio.sleep(3600)
