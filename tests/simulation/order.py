"""Sets in the same order in each run: those of objects are iterated in the order of their addresses otherwise."""

import asyncio
from itertools import count
from typing import Any

from anyio._backends._asyncio import CancelScope


class NumberedTask(asyncio.Task[Any]):
    """A task whose hash is its number."""

    _numbers = count()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._number = next(self._numbers)
        super().__init__(*arguments, **options)

    def __hash__(self) -> int:
        return self._number

    @classmethod
    def made_by(cls, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> "NumberedTask":
        return cls(coroutine, loop=loop, **options)


def number_cancel_scopes() -> None:
    """Give the cancel scopes of anyio a number as their hash. They have no place for it themselves."""
    counter = count()
    numbers: dict[int, int] = {}
    begin = CancelScope.__init__

    def numbered(scope: CancelScope, *arguments: Any, **options: Any) -> None:
        numbers[id(scope)] = next(counter)
        begin(scope, *arguments, **options)

    CancelScope.__init__ = numbered  # type: ignore[method-assign, assignment]
    CancelScope.__hash__ = lambda scope: numbers[id(scope)]  # type: ignore[method-assign, assignment]
