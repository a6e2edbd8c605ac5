"""Scripted faults: the requests they hit and their effect on the response."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.recording import Request

FaultKind = Literal[
    "status", "reset", "reset_body", "truncate", "close", "delay", "drip", "drip_head", "html", "rewrite", "callback"
]


@dataclass(kw_only=True)
class Fault:
    """One row of the fault table; rows that hit the same request apply together, the first outermost."""

    path: str  # Path hit, or its parent, or a pattern with ``*``
    method: str | None = None  # Method hit; None for all
    query: Mapping[str, str] = field(default_factory=dict)  # Query parameters the request must have, with these values
    nth: int | None = 1  # First matching request hit, counted from 1; None for every one
    times: int = 1  # How many matching requests in a row are hit from the ``nth`` on
    # ``status`` answers ``status``, ``headers`` and ``body``; ``html`` a 200 with a web page; ``reset`` resets the
    # connection before any byte; ``reset_body`` in the middle of the body; ``truncate`` closes it there; ``close``
    # closes it after the whole response without announcing it; ``delay`` answers after ``seconds``; ``drip`` sends a
    # byte of the body every ``seconds``, ``drip_head`` one of status line and headers; ``rewrite`` applies
    # ``rewrite`` to the response's JSON (numbers as int or Decimal); ``callback`` calls ``callback`` with the sandbox
    # before the response is made.
    kind: FaultKind = "status"
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | dict[str, Any] | None = None
    seconds: float = 0
    rewrite: Callable[[Any], Any] | None = None
    callback: Callable[[Any], object] | None = None
    # Whether the request is carried out before the response is spoilt; None: depends on the kind (not with ``status``
    # and ``html``, otherwise yes; with ``delay`` after the wait).
    effect: bool | None = None
    seen: int = field(default=0, init=False)  # How many requests matched

    def hits(self, request: Request) -> bool:
        """Count a request if it matches, and return whether the fault applies to it."""
        if self.method not in (None, request.method) or not request.is_to(self.path):
            return False
        if any(value not in request.query.get(name, ()) for name, value in self.query.items()):
            return False
        self.seen += 1
        return self.nth is None or self.nth <= self.seen < self.nth + self.times
