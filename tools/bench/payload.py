"""What the benchmark's server serves: pages put together from item bytes that are rendered beforehand.

Items are the sandbox's, every type and oddity of it, with one more accounting entry line each: about 2.6 KB. Ids are
deterministic and look random.
"""

from __future__ import annotations

import itertools
import json
from base64 import b32decode, b32encode
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any

from sandbox.faults import encode
from sandbox.items import Company, make_company, make_item, make_line, money
from tools.bench.ids import JOBS, uuids

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIANTS = 420
"""Different items; those that follow repeat them under ids of their own."""
MORE_LINES = 1
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
ID_PLACE = "\N{REPLACEMENT CHARACTER}id\N{REPLACEMENT CHARACTER}"


class Exports:
    """Export jobs of equal size and everything that Pleo lists of them.

    Args:
        items: Export items in total.
        jobs: How many jobs they are spread over.
    """

    def __init__(self, items: int, jobs: int = 1) -> None:
        self.per_job = items // jobs
        self.company = make_company(Random(5), uuids("company", 1)[0].decode(), 0)
        self.job_ids = [id_.decode() for id_ in uuids(JOBS, jobs)]
        self._entry_ids = uuids("items", self.per_job * jobs)
        self._items = [_around_id(item) for item in _items(self.company)]
        self._jobs = [encode(self._job(id_)) for id_ in self.job_ids]

    def job(self, job_id: str) -> bytes:
        """Return the body of one job."""
        return b'{"data":%b}' % self._jobs[self.job_ids.index(job_id)]

    def jobs_page(self, start: int, limit: int) -> bytes:
        """Return a page of jobs."""
        return self._page(self._jobs[start : start + limit], start, limit, len(self._jobs))

    def job_items_page(self, job_id: str, start: int, limit: int) -> bytes:
        """Return a page of a job's control layer."""
        head, tail = self._job_item_around_id(job_id)
        return self._page([head + id_ + tail for id_ in self._ids(job_id, start, limit)], start, limit, self.per_job)

    def items_page(self, job_id: str, start: int, limit: int) -> bytes:
        """Return a page of a job's data layer."""
        around = itertools.islice(itertools.cycle(self._items), start % VARIANTS, None)
        rows = [head + id_ + tail for (head, tail), id_ in zip(around, self._ids(job_id, start, limit), strict=False)]
        return self._page(rows, start, limit, self.per_job)

    def _ids(self, job_id: str, start: int, limit: int) -> list[bytes]:
        first = self.job_ids.index(job_id) * self.per_job
        return self._entry_ids[first + start : first + min(start + limit, self.per_job)]

    def _page(self, rows: list[bytes], start: int, limit: int, total: int) -> bytes:
        stop = start + len(rows)
        info = {
            "currentRequestPagination": {"parameters": {}, "limit": limit, "sortingKeys": [], "sortingOrder": []},
            "hasNextPage": stop < total,
            "hasPreviousPage": start > 0,
            "total": total,
        }
        if rows:
            info |= {"startCursor": cursor(start), "endCursor": cursor(stop)}
        return b"".join((b'{"data":[', b",".join(rows), b'],"pagination":', json.dumps(info).encode(), b"}"))

    def _job(self, job_id: str) -> dict[str, Any]:
        return {
            "id": job_id,
            "companyId": self.company.id,
            "status": "in_progress",
            "createdAt": "2026-01-01T00:00:00Z",
            "createdBy": self.company.users[0]["id"],
            "isInteractive": True,
            "numberOfItems": self.per_job,
            "expiresIn": 10**9,
            "vendorBasedBookkeeping": False,
            "startedAt": "2026-01-01T00:02:00Z",
            "lastUpdatedAt": "2026-01-01T00:02:00Z",
            "completedAt": None,
            "expiredAt": None,
            "failureReason": None,
            "failureReasonType": None,
        }

    def _job_item_around_id(self, job_id: str) -> tuple[bytes, bytes]:
        return _around_id(
            {
                "exportJobId": job_id,
                "accountingEntryId": ID_PLACE,
                "status": "pending",
                "externalId": None,
                "externalUrl": None,
                "failureReasonType": None,
                "failureReason": None,
                "exportedAt": None,
            }
        )


def cursor(position: int) -> str:
    """Return the opaque cursor of a position, in the alphabet of Pleo's examples."""
    return b32encode(str(position).encode()).decode()


def position(after: str) -> int:
    """Return the position that a cursor stands for."""
    return int(b32decode(after))


def _items(company: Company) -> Iterator[dict[str, Any]]:
    rng = Random(7)
    for index in range(VARIANTS):
        item = make_item(rng, company, index, CREATED)
        for _ in range(MORE_LINES if item["accountingEntryLines"] else 0):
            amount, tax = rng.randrange(100, 250_000), rng.randrange(100)
            item["accountingEntryLines"].append(
                make_line(
                    rng,
                    company,
                    money(amount, company.currency, company.currency),
                    money(amount - tax, company.currency, company.currency),
                    {"id": company.tax_id, "amount": money(tax, company.currency, company.currency), "code": "T19"},
                )
            )
        yield item | {"accountingEntryId": ID_PLACE}


def _around_id(row: dict[str, Any]) -> tuple[bytes, bytes]:
    head, tail = encode(row).split(encode(ID_PLACE)[1:-1])
    return head, tail
