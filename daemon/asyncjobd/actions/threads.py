"""The threads that run synchronous handlers."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class HandlerThreads(ThreadPoolExecutor):
    """At most `size` threads.

    Attributes:
        size: The number of threads.
        taken: How often a call got a thread, since the start.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size, thread_name_prefix="handler")
        self.size = size
        self.taken = 0

    def submit(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a call as soon as a thread is free."""
        return super().submit(self._run, call, *args, **kwargs)

    def _run(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        self.taken += 1
        return call(*args, **kwargs)

    @property
    def waiting(self) -> int:
        """The number of calls that wait for a thread."""
        return self._work_queue.qsize()
