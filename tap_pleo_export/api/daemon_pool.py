"""Calls in the background, on threads that do not keep a process from ending."""

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


class BackgroundCalls:
    """A pool of daemon threads; the standard library's own would be waited for at exit, retries and all."""

    def __init__(self, threads: int) -> None:
        self._calls: queue.SimpleQueue[_Call] = queue.SimpleQueue()
        self._idle = threads

    def submit(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start a call; its result or exception is the future's."""
        future: Future[T] = Future()
        self._calls.put((future, call, args, kwargs))
        if self._idle:
            self._idle -= 1
            threading.Thread(target=self._work, daemon=True).start()
        return future

    def _work(self) -> None:
        while True:
            future, call, args, kwargs = self._calls.get()
            try:
                future.set_result(call(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
                future.set_exception(error)
            # An idle thread is to hold no page.
            del future, call, args, kwargs
