"""An event loop on virtual time, whose callbacks belong to owners that the seed lets take turns.

Callbacks of one owner run in the order of asyncio. The seed chooses whose turn is next, and time goes on only
when nobody has anything to do.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import Context, ContextVar
from random import Random
from typing import Any

from tests.simulation.clock import Clock
from tests.simulation.order import NumberedTask

MAX_TURN = 20  # microseconds, about, that a callback takes
MAX_THREAD_SECONDS = 0.01  # for which a function in a thread is not heard of

owner: ContextVar[str] = ContextVar("owner", default="world")  # whose callbacks and tasks are created


class NothingLeft(Exception):
    """Raised when no callback is left, and none is due at any time."""


class VirtualLoop(asyncio.BaseEventLoop):
    def __init__(self, clock: Clock, random: Random) -> None:
        super().__init__()
        self._clock = clock
        self._random = random
        self._queues: dict[str, deque[asyncio.Handle]] = {}
        self._paused: dict[str, int] = {}  # how often each owner was paused
        self._gone: set[str] = set()
        self._graves: list[deque[asyncio.Handle]] = []  # kept, as tasks complain when they are collected
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []  # a heap
        self._timer_count = 0
        self.errors: list[str] = []
        self.set_exception_handler(self._note_error)
        self.set_task_factory(NumberedTask.made_by)

    def time(self) -> float:
        return self._clock.now

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._timer_count += 1
        heapq.heappush(self._timers, (when, self._timer_count, handle))
        return handle

    def pause(self, *owners: str) -> None:
        """Run no callback of these owners until `resume`."""
        for name in owners:
            self._paused[name] = self._paused.get(name, 0) + 1

    def resume(self, *owners: str) -> None:
        for name in owners:
            self._paused[name] -= 1
            if not self._paused[name]:
                del self._paused[name]

    def remove(self, *owners: str) -> None:
        """Run no callback of these owners any more."""
        self._gone.update(owners)
        for name in owners:
            if (queue := self._queues.pop(name, None)) is not None:
                self._graves.append(queue)

    def block(self, seconds: float) -> None:
        """Do as if the present owner's callback took so long."""
        name = owner.get()
        self.pause(name)
        token = owner.set("world")
        self.call_later(seconds, self.resume, name)
        owner.reset(token)

    def _run_once(self) -> None:
        while self._timers and self._timers[0][0] <= self.time():
            self._enqueue(heapq.heappop(self._timers)[2])
        ready = [name for name in self._queues if name not in self._paused]
        if ready:
            self._run_next(ready[0] if len(ready) == 1 else self._random.choice(ready))
        elif self._timers:
            self._clock.advance_to(self._timers[0][0])
        else:
            raise NothingLeft

    def _run_next(self, name: str) -> None:
        queue = self._queues[name]
        handle = queue.popleft()
        if not queue:
            del self._queues[name]
        if not handle.cancelled():
            self._clock.advance(self._random.randrange(MAX_TURN))
            handle._run()

    def _enqueue(self, handle: asyncio.Handle) -> None:
        if handle.cancelled():
            return
        name = handle._context.get(owner, "world")  # type: ignore[attr-defined]
        if name not in self._gone:
            self._queues.setdefault(name, deque()).append(handle)

    def _call_soon(self, callback: Callable[..., Any], args: Any, context: Context | None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._enqueue(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        return asyncio.wrap_future(Threads(self, self._random).submit(func, *args), loop=self)

    def _note_error(self, _loop: Any, context: dict[str, Any]) -> None:
        name = owner.get()
        if name not in self._gone:
            self.errors.append(f"{name}: {context['message']}: {context.get('exception')!r}")

    def _write_to_self(self) -> None:
        pass

    def _process_events(self, event_list: Any) -> None:
        pass


class Threads(Executor):
    """Runs each function as a whole, a random short time after it was submitted."""

    def __init__(self, loop: VirtualLoop, random: Random) -> None:
        self._loop = loop
        self._random = random

    def submit(self, func: Callable[..., Any], /, *args: Any, **options: Any) -> "Future[Any]":
        future: Future[Any] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(func(*args, **options))
            except BaseException as error:
                future.set_exception(error)

        self._loop.call_later(self._random.uniform(0, MAX_THREAD_SECONDS), run)
        return future
