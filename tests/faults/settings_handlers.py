"""Handlers with a transaction that stays open for a while."""

import asyncio
from pathlib import Path
from typing import Any

from asyncjobd import Context


async def writes_and_reports(params: dict[str, str], context: Context) -> None:
    """Report progress with the transaction open, which ends once params["file"] exists."""
    async with context.transaction() as connection:
        await connection.execute("insert into public.effect values (1)")
        context.progress(0.5, "half")
        while not Path(params["file"]).exists():
            await asyncio.sleep(0.01)


async def writes_and_waits(params: dict[str, Any], context: Context) -> None:
    """Be idle in the transaction for half a second, which is longer than the server allows."""
    async with context.transaction() as connection:
        await connection.execute("insert into effect values (1)")
        await asyncio.sleep(0.5)
        await connection.execute("insert into effect values (2)")
