"""Scripted misbehaviour: which request it hits, and what happens to the answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from sandbox.recording import Request
    from sandbox.server import Sandbox

Kind = Literal[
    "status", "reset", "reset_body", "truncate", "close", "delay", "drip", "drip_head", "html", "rewrite", "callback"
]
JSON_TYPE = "application/json;charset=UTF-8"
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def encode(value: object) -> bytes:
    """Return ``value`` as JSON; a Decimal becomes a number with all its digits."""
    return _ENCODER.encode(value)


@dataclass(kw_only=True)
class Fault:
    """One row of the fault table; rows that hit the same request take effect together, the first outermost.

    Attributes:
        path: Path hit, or its parent, or a pattern with ``*``.
        method: Method hit; None for all.
        query: Query parameters the request must have, with these values.
        nth: First matching request hit, counted from 1; None for every one.
        times: How many matching requests in a row are hit from the ``nth`` on.
        kind: ``status`` answers ``status``, ``headers`` and ``body``; ``html`` a 200 with a web page; ``reset`` resets
            the connection before any byte; ``reset_body`` in the middle of the body; ``truncate`` closes it there;
            ``close`` closes it after the whole answer without having said so; ``delay`` answers after ``seconds``;
            ``drip`` sends a byte of the body every ``seconds``, ``drip_head`` one of status line and headers;
            ``rewrite`` applies ``rewrite`` to the answer's JSON (numbers as int or Decimal); ``callback`` calls
            ``callback`` with the sandbox before the answer is made.
        effect: Whether the request is carried out before the answer is spoilt; None: as befits the kind (not with
            ``status`` and ``html``, else yes; with ``delay`` after the wait).
    """

    path: str
    method: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    nth: int | None = 1
    times: int = 1
    kind: Kind = "status"
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | dict[str, Any] | None = None
    seconds: float = 0
    rewrite: Callable[[Any], Any] | None = None
    callback: Callable[[Sandbox], object] | None = None
    effect: bool | None = None
    seen: int = field(default=0, init=False)

    def hits(self, request: Request) -> bool:
        """Count ``request`` if it matches; tell whether the fault is due on it."""
        if self.method not in (None, request.method) or not request.is_to(self.path):
            return False
        if any(value not in request.query.get(name, ()) for name, value in self.query.items()):
            return False
        self.seen += 1
        return self.nth is None or self.nth <= self.seen < self.nth + self.times


@dataclass
class Answer:
    """A response and how it travels.

    Attributes:
        response: Status, headers and the whole body.
        cut: Where the connection ends: 0.0 before the status line, 0.5 in the middle of the body, 1.0 behind it.
        reset: Whether the connection is then reset instead of closed.
        drip: Seconds between two bytes of the body.
        drip_head: Seconds between two bytes of the status line and the headers.
    """

    response: Response
    cut: float | None = None
    reset: bool = False
    drip: float = 0
    drip_head: float = 0


Real = Callable[[], Answer]


def _real(fault: Fault, real: Real) -> Answer:
    return Answer(Response(b"{}", 504, content_type=JSON_TYPE)) if fault.effect is False else real()


def _status(fault: Fault, _: Sandbox, real: Real) -> Answer:
    if fault.effect:
        real()
    body, media_type = (encode(fault.body), JSON_TYPE) if isinstance(fault.body, dict) else (fault.body, "text/plain")
    headers = {"Content-Type": media_type, **fault.headers}
    return Answer(Response(body or b"", fault.status, headers))


def _html(fault: Fault, _: Sandbox, real: Real) -> Answer:
    if fault.effect:
        real()
    page = fault.body if isinstance(fault.body, bytes) else b"<!doctype html><title>Down</title><p>Back soon."
    return Answer(Response(page, 200, fault.headers, content_type="text/html;charset=UTF-8"))


def _reset(fault: Fault, __: Sandbox, real: Real) -> Answer:
    return Answer(_real(fault, real).response, cut=0.0, reset=True)


def _reset_body(fault: Fault, __: Sandbox, real: Real) -> Answer:
    return Answer(_real(fault, real).response, cut=0.5, reset=True)


def _truncate(fault: Fault, __: Sandbox, real: Real) -> Answer:
    return Answer(_real(fault, real).response, cut=0.5)


def _close(_: Fault, __: Sandbox, real: Real) -> Answer:
    return Answer(real().response, cut=1.0)


def _delay(fault: Fault, pleo: Sandbox, real: Real) -> Answer:
    early = real() if fault.effect else None
    pleo.stopping.wait(fault.seconds)
    return early or _real(fault, real)


def _drip(fault: Fault, _: Sandbox, real: Real) -> Answer:
    return Answer(real().response, drip=fault.seconds)


def _drip_head(fault: Fault, _: Sandbox, real: Real) -> Answer:
    return Answer(real().response, drip_head=fault.seconds)


def _rewrite(fault: Fault, _: Sandbox, real: Real) -> Answer:
    answer = real()
    if fault.rewrite is None:
        raise TypeError("a rewrite fault needs `rewrite`")
    value = fault.rewrite(json.loads(answer.response.get_data(), parse_float=Decimal))
    answer.response.set_data(encode(value))
    return answer


def _callback(fault: Fault, pleo: Sandbox, real: Real) -> Answer:
    if fault.callback is None:
        raise TypeError("a callback fault needs `callback`")
    fault.callback(pleo)
    return real()


EFFECTS: Final[dict[Kind, Callable[[Fault, Sandbox, Real], Answer]]] = {
    "status": _status,
    "html": _html,
    "reset": _reset,
    "reset_body": _reset_body,
    "truncate": _truncate,
    "close": _close,
    "delay": _delay,
    "drip": _drip,
    "drip_head": _drip_head,
    "rewrite": _rewrite,
    "callback": _callback,
}
