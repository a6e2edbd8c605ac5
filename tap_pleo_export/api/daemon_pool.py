"""A thread pool that does not keep the process from ending."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class DaemonPool:
    """A pool of daemon threads; the standard library waits for the threads of its pools at exit."""

    def __init__(self, threads: int) -> None:
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._unstarted = threads

    def submit(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a call on a thread of the pool; the future gets its result or exception."""
        future: Future[T] = Future()
        self._calls.put((future, partial(call, *args, **kwargs)))
        if self._unstarted:
            self._unstarted -= 1
            threading.Thread(target=self._work, daemon=True).start()
        return future

    def _work(self) -> None:
        while True:
            future, call = self._calls.get()
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - raised from the future
                future.set_exception(error)
            # While it waits, the thread must not keep a page in memory.
            del future, call
