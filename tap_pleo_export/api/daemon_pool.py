"""A thread pool that does not keep the process from ending."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")
_Call = tuple[Future[Any], "Callable[..., Any]", tuple[Any, ...], dict[str, Any]]


class DaemonPool:
    """A pool of daemon threads; the standard library would wait for the threads of its own pool at exit."""

    def __init__(self, threads: int) -> None:
        self._calls: queue.SimpleQueue[_Call] = queue.SimpleQueue()
        self._unstarted = threads

    def submit(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a call on a thread of the pool; the future gets its result or exception."""
        future: Future[T] = Future()
        self._calls.put((future, call, args, kwargs))
        if self._unstarted:
            self._unstarted -= 1
            threading.Thread(target=self._work, daemon=True).start()
        return future

    def _work(self) -> None:
        while True:
            future, call, args, kwargs = self._calls.get()
            try:
                future.set_result(call(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
                future.set_exception(error)
            # While it waits, the thread must not keep a page in memory.
            del future, call, args, kwargs
