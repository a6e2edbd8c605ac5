"""The HTTP server that serves a world on loopback, through its faults."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, Self

from werkzeug.serving import make_server
from werkzeug.wrappers import Request as Incoming
from werkzeug.wrappers import Response

from sandbox import api
from sandbox.files import BREAKS_OFF
from sandbox.recording import Request
from sandbox.transport import Answer, Connections, Handler
from sandbox.values import JSON_TYPE, encode
from sandbox.world import World, utc_now
from sandbox.worlds import populate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from types import TracebackType

    from werkzeug.serving import BaseWSGIServer

    from sandbox.faults import Fault, FaultKind

HOST = "127.0.0.1"
HTML: Final = b"<!doctype html><title>Down</title><p>Back soon."
Real = Callable[[], Answer]
# Where the connection ends, and whether by a reset.
CUTS: Final[Mapping[FaultKind, tuple[float, bool]]] = {
    "reset": (0.0, True),
    "reset_body": (0.5, True),
    "truncate": (0.5, False),
    "close": (1.0, False),
}


class Sandbox(World):
    """A world, served on loopback.

    As a context manager it serves from a daemon thread until the end of the block.
    """

    def __init__(self, *, port: int = 0, seed: int = 0, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(seed=seed, clock=clock)
        self.port = port
        self.failures: list[Exception] = []
        self.connections = Connections()
        self._app = api.build(self)
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None

    @classmethod
    def holding(cls, *worlds: str, port: int = 0, seed: int = 0, clock: Callable[[], datetime] = utc_now) -> Self:
        """Return a sandbox with the jobs of worlds such as ``demo``, ``varied`` or ``settled``, see ``worlds``."""
        pleo = cls(port=port, seed=seed, clock=clock)
        for world in worlds:
            populate(pleo, world)
        return pleo

    @classmethod
    def demo(cls, *, port: int = 0, seed: int = 0, clock: Callable[[], datetime] = utc_now) -> Self:
        """Return a sandbox with the demo world: three readable and three finished jobs in several companies."""
        return cls.holding("demo", port=port, seed=seed, clock=clock)

    @property
    def url(self) -> str:
        """Base URL of the API, known after the first start."""
        if not self.port:
            raise RuntimeError("the sandbox has no port before its first start")
        return f"http://{HOST}:{self.port}"

    @property
    def auth_url(self) -> str:
        """URL of the token endpoint."""
        return f"{self.url}/oauth/token"

    def serve(self, environ: dict[str, Any]) -> Answer:
        """Answer one WSGI request, through the faults that hit it."""
        incoming = Incoming(environ)
        with self.lock:
            record = Request.of(incoming, self.now())
            self.requests.append(record)
            due = [fault for fault in self.faults if fault.hits(record)]
        # The application reads the body again.
        environ |= {"wsgi.input": BytesIO(record.body), "CONTENT_LENGTH": str(len(record.body))}
        real: Callable[[], Answer] = partial(self._real, environ)
        for fault in reversed(due):
            real = partial(apply, fault, self, real)
        try:
            answer = real()
        except Exception as error:  # noqa: BLE001 - raised again in the test's thread, at the end of the block
            self.failures.append(error)
            answer = Answer(Response("sandbox failure", 500))
        record.status = None if answer.cut == 0 else answer.response.status_code
        return answer

    def _real(self, environ: dict[str, Any]) -> Answer:
        with self.lock:
            answer = Answer(Response.from_app(self._app.wsgi_app, environ, buffered=True))
        if answer.response.headers.pop(BREAKS_OFF, None):
            answer.cut, answer.reset = 0.5, True
        return answer

    def start(self) -> Self:
        """Listen, and serve from a daemon thread."""
        self.stopping.clear()
        server = make_server(HOST, self.port, self._app, threaded=True, request_handler=Handler)
        server.sandbox = self  # type: ignore[attr-defined] # read by the handler
        self.port = server.server_port
        self.files.base = self.url
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="sandbox", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving, and end every connection and thread."""
        if self._server is None or self._thread is None:
            return
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self.connections.close()
        self._server.server_close()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if kind is None and self.failures:
            raise RuntimeError("the sandbox itself failed while answering") from self.failures[0]


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
