"""Orders to all jobs of a selection: tasks of this process, which can be watched and stopped."""

import asyncio
from collections import deque
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial

import structlog

from asyncjobd.monitoring.controls import CONTROLS
from asyncjobd.monitoring.orders import Progress, order
from asyncjobd.monitoring.selection import Selection
from asyncjobd.postgres.outage import named
from asyncjobd.web.transactions import Transactions
from asyncjobd.web.viewer import Viewer

MOST_KEPT = 100  # orders
MOST_AT_ONCE = 2

log = structlog.get_logger("asyncjobd.web")


class Order(Progress, kw_only=True):
    """An order. `state`: running, done, stopped, failed, or what one to single jobs came to."""

    number: int
    name: str
    target: str
    viewer: str
    began_at: datetime
    state: str
    problem: str = ""


class Orders:
    """The orders that were given in this process, the last first."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._number = 0
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self.given: deque[Order] = deque(maxlen=MOST_KEPT)

    def note(self, viewer: Viewer, name: str, target: str, state: str) -> Order:
        """Log an order, and keep it for all to see."""
        self._number += 1
        given = Order(
            number=self._number, name=name, target=target, viewer=viewer.name, began_at=datetime.now(UTC),
            state=state,
        )  # fmt: skip
        self.given.appendleft(given)
        log.info("web.order", user=viewer.name, order=name, target=target, state=state)
        return given

    @property
    def is_busy(self) -> bool:
        """Return whether as many orders run as may."""
        return len(self._tasks) >= MOST_AT_ONCE

    def begin(self, viewer: Viewer, name: str, text: str, selection: Selection) -> None:
        """Begin an order to all jobs of a selection, which `text` describes."""
        given = self.note(viewer, name, text or "every job", "running")
        task = asyncio.create_task(self._run(viewer, given, selection), name=f"order {given.number}")
        self._tasks[given.number] = task
        task.add_done_callback(lambda task: self._end(given, task))

    def stop(self, number: int) -> bool:
        """Stop an order; what it has written stays. Return whether it ran."""
        task = self._tasks.get(number)
        return task is not None and task.cancel()

    async def close(self) -> None:
        """Stop all orders."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end(self, given: Order, task: "asyncio.Task[None]") -> None:
        del self._tasks[given.number]
        if task.cancelled():  # before it began
            given.state = "stopped"

    async def _run(self, viewer: Viewer, given: Order, selection: Selection) -> None:
        status, only_from = CONTROLS[given.name]
        run = partial(self._transactions.order, viewer)
        try:
            async with aclosing(order(run, selection, status, only_from, given)) as batches:
                async for _ in batches:
                    pass  # `given` is the progress, which every viewer sees
            given.state = "done"
        except asyncio.CancelledError:
            given.state = "stopped"
        except Exception as error:
            given.state, given.problem = "failed", named(error)
        log.info("web.order_ended", user=viewer.name, order=given.name, target=given.target, state=given.state,
                 written=given.written, unfit=given.unfit, taken=given.taken, locked=given.locked,
                 refused=given.refused, reached=given.reached, reason=given.problem or given.refusal)  # fmt: skip
