"""An HTTP/1.1 server on loopback that is never the bottleneck: a page costs one join of prepared bytes.

``python -m tools.bench.server --items 50000`` prints its port and the id of its first job once it accepts connections,
and ends when its standard input does. Items are the sandbox's, of every type, with one more accounting entry line each:
about 2.6 KB. Ids look random and are the same in each run.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import itertools
import json
import sys
from base64 import b32decode, b32encode
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from sandbox.items import make_item, make_line, money
from sandbox.jobs import Job
from sandbox.values import encode
from sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.items import Company

VARIANTS = 420
"""Different items; further ones repeat them under other ids."""
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
ID_PLACE = "\N{REPLACEMENT CHARACTER}id\N{REPLACEMENT CHARACTER}"
DEFAULT_LIMIT = 100
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Exports:
    """Export jobs of equal size and everything that Pleo lists of them."""

    def __init__(self, items: int, jobs: int = 1) -> None:
        self.per_job = items // jobs
        world = World(seed=5, clock=lambda: CREATED)
        job = world.add_job(items=0, status="in_progress", expires_in=10**9).record
        (company,) = world.companies.values()
        self.job_ids = [id_.decode() for id_ in uuids("jobs", jobs)]
        self._entry_ids = uuids("items", self.per_job * jobs)
        self._items = [_around_id(item) for item in _items(company)]
        self._jobs = [encode(job | {"id": id_, "numberOfItems": self.per_job}) for id_ in self.job_ids]

    def job(self, job_id: str) -> bytes:
        """Return the body of one job."""
        return b'{"data":%b}' % self._jobs[self.job_ids.index(job_id)]

    def jobs_page(self, start: int, limit: int) -> bytes:
        """Return a page of jobs."""
        return self._page(self._jobs[start : start + limit], start, len(self._jobs))

    def job_items_page(self, job_id: str, start: int, limit: int) -> bytes:
        """Return a page of a job's job items."""
        row = Job({"id": job_id}, [], {ID_PLACE: "pending"}).row(ID_PLACE)
        head, tail = _around_id(row)
        return self._page([head + id_ + tail for id_ in self._ids(job_id, start, limit)], start, self.per_job)

    def items_page(self, job_id: str, start: int, limit: int) -> bytes:
        """Return a page of a job's export items."""
        around = itertools.islice(itertools.cycle(self._items), start % VARIANTS, None)
        rows = [head + id_ + tail for (head, tail), id_ in zip(around, self._ids(job_id, start, limit), strict=False)]
        return self._page(rows, start, self.per_job)

    def _ids(self, job_id: str, start: int, limit: int) -> list[bytes]:
        first = self.job_ids.index(job_id) * self.per_job
        return self._entry_ids[first + start : first + min(start + limit, self.per_job)]

    def _page(self, rows: list[bytes], start: int, total: int) -> bytes:
        stop = start + len(rows)
        info: dict[str, Any] = {"hasNextPage": stop < total, "hasPreviousPage": start > 0, "total": total}
        if rows:
            info |= {"startCursor": cursor(start), "endCursor": cursor(stop)}
        return b"".join((b'{"data":[', b",".join(rows), b'],"pagination":', json.dumps(info).encode(), b"}"))


def uuids(seed: str, count: int) -> list[bytes]:
    """Return uuids that look like version 4, the same for the same seed."""
    digits = hashlib.shake_128(seed.encode()).hexdigest(count * 16)
    return [
        f"{d[:8]}-{d[8:12]}-4{d[13:16]}-a{d[17:20]}-{d[20:]}".encode()
        for d in (digits[start : start + 32] for start in range(0, count * 32, 32))
    ]


def cursor(position: int) -> str:
    """Return the opaque cursor of a position, in the alphabet of Pleo's examples."""
    return b32encode(str(position).encode()).decode()


def position(after: str) -> int:
    """Return the position of a cursor."""
    return int(b32decode(after))


def _items(company: Company) -> Iterator[dict[str, Any]]:
    rng = Random(7)
    for index in range(VARIANTS):
        item = make_item(rng, company, index, CREATED)
        # Settlements have no category, and no tax.
        if any(line["account"] for line in item["accountingEntryLines"]):
            amount, tax = rng.randrange(100, 250_000), rng.randrange(100)
            gross, net, taxed = (
                money(cents, company.currency, company.currency) for cents in (amount, amount - tax, tax)
            )
            line = make_line(rng, company, gross, net, {"id": company.tax_id, "amount": taxed, "code": "T19"})
            item["accountingEntryLines"].append(line)
            for total in item["amount"].values():
                total["value"] += amount
        yield item | {"accountingEntryId": ID_PLACE}


def _around_id(row: dict[str, Any]) -> tuple[bytes, bytes]:
    head, tail = encode(row).split(encode(ID_PLACE)[1:-1])
    return head, tail


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
        assert isinstance(transport, asyncio.Transport)
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
