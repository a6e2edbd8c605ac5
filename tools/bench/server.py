"""An HTTP/1.1 server on loopback that is never the bottleneck: a page costs one join of prepared bytes.

``python -m tools.bench.server --items 50000`` prints its port and the id of its first job once it accepts connections,
and ends when its standard input does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from tools.bench.payload import Exports, position

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_LIMIT = 100
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def answer(exports: Exports, target: str) -> bytes:
    """Return the whole response to ``GET target``."""
    path, _, query = target.partition("?")
    try:
        body = _body(exports, path.strip("/").split("/"), parse_qs(query))
    except ValueError:
        return NOT_FOUND
    return OK % (len(body), body)


def _body(exports: Exports, path: list[str], query: dict[str, list[str]]) -> bytes:
    limit = int(query.get("limit", [DEFAULT_LIMIT])[0])
    start = position(query["after"][0]) if "after" in query else int(query.get("offset", [0])[0])
    match path:
        case ["v3", "export-items"]:
            return exports.items_page(query["job_id"][0], start, limit)
        case ["v3", "export-jobs"]:
            return exports.jobs_page(start, limit)
        case ["v3", "export-jobs", job_id]:
            return exports.job(job_id)
        case ["v3", "export-jobs", job_id, "items"]:
            return exports.job_items_page(job_id, start, limit)
    raise ValueError(path)


class KeepAlive(asyncio.Protocol):
    """One connection: GET requests without bodies, each answered after the latency."""

    def __init__(self, answer: Callable[[str], bytes], latency: float) -> None:
        self._answer = answer
        self._latency = latency
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept a new connection."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - it is TCP
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every complete request received so far."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            line = self._received[: self._received.index(b"\r\n")]
            self._received = self._received[end + 4 :]
            response = self._answer(line.split(b" ")[1].decode())
            if self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._send, response)
            else:
                self._send(response)

    def _send(self, response: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(response)


async def serve(exports: Exports, latency: float) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: KeepAlive(lambda target: answer(exports, target), latency), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], exports.job_ids[0], flush=True)
    # The parent process has the other end, and closes it even when killed.
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Run the server."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.server", description=__doc__)
    parser.add_argument("--items", type=int, default=50_000, help="export items in total")
    parser.add_argument("--jobs", type=int, default=1, help="export jobs they are spread over")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds from a request to its response")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(Exports(options.items, options.jobs), options.latency))


if __name__ == "__main__":
    main()
