"""Writes many rows in one statement, although PostgreSQL may refuse some of them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from asyncjobd.postgres.outage import is_refusal

T = TypeVar("T")


async def write_in_halves(
    rows: Sequence[T],
    write: Callable[[Sequence[T]], Awaitable[None]],
    refused: Callable[[T, Exception], Awaitable[None]],
) -> None:
    """Write all rows at once; where that is refused, in halves, until each row that causes it is found.

    Such a row is handed to `refused` with PostgreSQL's error. Raise any other error of `write`.
    """
    if not rows:
        return
    try:
        await write(rows)
        return
    except Exception as error:
        if not is_refusal(error):
            raise
        if len(rows) == 1:
            await refused(rows[0], error)
            return
    middle = len(rows) // 2
    await write_in_halves(rows[:middle], write, refused)
    await write_in_halves(rows[middle:], write, refused)
