"""Handlers whose tasks use the job's transaction at the same time, or after the handler has ended."""

import asyncio
from pathlib import Path
from typing import Any

from asyncjobd import Context

INSERT = "insert into effect values ({})"

left: set[asyncio.Task[None]] = set()  # keeps the tasks alive


async def until_there(file: str) -> None:
    """Wait for the test, which makes the file."""
    while not Path(file).exists():
        await asyncio.sleep(0.01)


async def writes_at_once(params: dict[str, Any], context: Context) -> None:
    """Ask for the transaction in two tasks at the same time."""

    async def write(pause: float) -> None:
        async with context.transaction() as connection:
            await asyncio.sleep(pause)
            await connection.execute(INSERT.format(1))

    await asyncio.gather(write(0.01), write(0.1))


async def leaves_a_writer(params: dict[str, Any], context: Context) -> None:
    """Leave a task that asks for the transaction once params["file"] exists, when the handler has ended."""

    async def write() -> None:
        await until_there(params["file"])
        try:
            async with context.transaction() as connection:
                await connection.execute(INSERT.format(1))
        except RuntimeError as error:
            context.log.info("writer.refused", reason=str(error))

    if params["has_begun"]:
        async with context.transaction():
            pass
    left.add(asyncio.create_task(write()))


async def leaves_its_connection(params: dict[str, str], context: Context) -> None:
    """Leave a task that goes on writing with the connection once params["file"] exists, when another job has it.

    It uses the connection itself and a statement that was prepared on it.
    """
    async with context.transaction() as connection:
        prepared = await connection.prepare(f"{INSERT.format(1)} returning n")

        async def write() -> None:
            await until_there(params["file"])
            for write in (lambda: connection.execute(INSERT.format(1)), prepared.fetchval):
                try:
                    await write()
                except Exception as error:
                    context.log.info("write.refused", reason=str(error))

    left.add(asyncio.create_task(write()))


async def leaves_a_block(params: dict[str, str], context: Context) -> None:
    """Leave a task inside its transaction block, which exits by an exception once params["leave"] exists.

    The handler itself returns once params["return"] exists.
    """

    async def write() -> None:
        async with context.transaction() as connection:
            await connection.execute(INSERT.format(1))
            written.set()
            await until_there(params["leave"])
            try:
                await connection.execute(INSERT.format(2))
            finally:
                context.log.info("block.left")

    written = asyncio.Event()
    task = asyncio.create_task(write())
    task.add_done_callback(lambda done: done.exception())
    left.add(task)
    await written.wait()
    await until_there(params["return"])
    context.log.info("handler.returns")
