"""Pages for the page server, assembled from item bytes that are rendered in advance.

Items are the sandbox's, of every type, with one more accounting entry line each: about 2.6 KB. Ids look random and are
the same in each run.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from base64 import b32decode, b32encode
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any

from sandbox.items import make_item, make_line, money
from sandbox.jobs import Job
from sandbox.values import encode
from sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.items import Company

VARIANTS = 420
"""Different items; further ones repeat them under other ids."""
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
ID_PLACE = "\N{REPLACEMENT CHARACTER}id\N{REPLACEMENT CHARACTER}"


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
        if item["accountingEntryLines"]:
            amount, tax = rng.randrange(100, 250_000), rng.randrange(100)
            gross, net, taxed = (
                money(cents, company.currency, company.currency) for cents in (amount, amount - tax, tax)
            )
            line = make_line(rng, company, gross, net, {"id": company.tax_id, "amount": taxed, "code": "T19"})
            item["accountingEntryLines"].append(line)
        yield item | {"accountingEntryId": ID_PLACE}


def _around_id(row: dict[str, Any]) -> tuple[bytes, bytes]:
    head, tail = encode(row).split(encode(ID_PLACE)[1:-1])
    return head, tail
