"""The effects of faults on a response."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from werkzeug.wrappers import Response

from sandbox.values import JSON_TYPE, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.faults import Fault, FaultKind
    from sandbox.world import World

HTML: Final = b"<!doctype html><title>Down</title><p>Back soon."


@dataclass
class Answer:
    """A response and how it is sent."""

    response: Response  # Status, headers and the whole body
    # Where the connection ends: 0.0 before the status line, 0.5 in the middle of the body, 1.0 after it.
    cut: float | None = None
    reset: bool = False  # Whether the connection is then reset instead of closed
    drip: float = 0  # Seconds between two bytes of the body
    drip_head: float = 0  # Seconds between two bytes of the status line and the headers


Real = Callable[[], Answer]
# Where the connection ends, and whether by a reset.
CUTS: Final[Mapping[FaultKind, tuple[float, bool]]] = {
    "reset": (0.0, True),
    "reset_body": (0.5, True),
    "truncate": (0.5, False),
    "close": (1.0, False),
}


def apply(fault: Fault, pleo: World, real: Real) -> Answer:
    """Return the response to a request that a fault hits."""
    match fault.kind:
        case "status" | "html":
            if fault.effect:
                real()
            return Answer(_instead(fault))
        case "delay":
            early = real() if fault.effect else None
            pleo.stopping.wait(fault.seconds)
            return early or _real(fault, real)
        case "drip" | "drip_head":
            head, body = (fault.seconds, 0.0) if fault.kind == "drip_head" else (0.0, fault.seconds)
            return Answer(real().response, drip=body, drip_head=head)
        case "rewrite":
            return _rewritten(fault, real())
        case "callback":
            if fault.callback is None:
                raise TypeError("a callback fault needs `callback`")
            fault.callback(pleo)
            return real()
        case kind:
            cut, reset = CUTS[kind]
            return Answer(_real(fault, real).response, cut=cut, reset=reset)


def _real(fault: Fault, real: Real) -> Answer:
    return Answer(Response(b"{}", 504, content_type=JSON_TYPE)) if fault.effect is False else real()


def _instead(fault: Fault) -> Response:
    if fault.kind == "html":
        page = fault.body if isinstance(fault.body, bytes) else HTML
        return Response(page, 200, fault.headers, content_type="text/html;charset=UTF-8")
    body, media_type = (encode(fault.body), JSON_TYPE) if isinstance(fault.body, dict) else (fault.body, "text/plain")
    return Response(body or b"", fault.status, {"Content-Type": media_type, **fault.headers})


def _rewritten(fault: Fault, answer: Answer) -> Answer:
    if fault.rewrite is None:
        raise TypeError("a rewrite fault needs `rewrite`")
    value = fault.rewrite(json.loads(answer.response.get_data(), parse_float=Decimal))
    answer.response.set_data(encode(value))
    return answer
