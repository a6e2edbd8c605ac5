"""Many interrupted runs against a Pleo that misbehaves at random: no item is ever lost.

The real streams, reader, bookmarks and paging run in process; only the HTTP client is replaced. A run is cut off
between any two batches, before or after its progress has been noted, and resumed from its last state as JSON. Between
runs page sizes and item statuses change and jobs end; within them pages come empty, short, with rows twice or missing,
with rejected cursors, or not at all.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, cast

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tap_pleo_export.api.budget import RequestBudget
from tap_pleo_export.api.credentials import ApiKeyAuth
from tap_pleo_export.api.errors import FatalError, PleoError, PleoUnavailable, RequestRefused
from tap_pleo_export.api.paging import Listing
from tap_pleo_export.api.pleo_api import PleoApi
from tap_pleo_export.api.request import ApiRequest, ApiResponse
from tap_pleo_export.api.retry import RetryPolicy
from tap_pleo_export.tap.bookmarks import Bookmarks
from tap_pleo_export.tap.job_reader import Batch
from tap_pleo_export.tap.plugin import TapPleoExport
from tap_pleo_export.tap.stream import PleoStream
from tap_pleo_export.tap.streams import ExportJobs

Key = tuple[str, str]
RANDOM = st.integers(0, 2**32).map(Random)
ENDED = ("successful", "failed", "abandoned")
CONFIG = {"api_key": "key"}


def uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


@dataclass
class UnreliablePleo:
    """Replaces the HTTP client. Jobs are lists of ids with their statuses."""

    random: Random
    trouble: float
    jobs: dict[str, dict[str, str]]
    readable: set[str] = field(init=False)
    throttled: int = 0
    repeated: Counter[str] = field(default_factory=Counter)
    """By job: export items that were repeated on the page after theirs."""

    def __post_init__(self) -> None:
        self.readable = set(self.jobs)

    def get(self, call: ApiRequest, decode: Callable[[bytes], Any]) -> Any:
        return self.read(self.send(call), decode)

    def send(self, call: ApiRequest) -> ApiResponse:
        params = {name: value for name, value in call.params.items() if value is not None}
        return ApiResponse(call, "", msgspec.json.encode(self._answer(call.path, params)))

    def read(self, answer: ApiResponse, decode: Callable[[bytes], Any]) -> Any:
        return decode(answer.body)

    def _answer(self, path: str, params: Mapping[str, Any]) -> dict[str, Any]:
        *_, first, last = path.split("/")
        if last == "export-jobs":
            rows = [{"id": job_id, "status": "pending"} for job_id in self.jobs if job_id in self.readable]
            return {"data": rows, "pagination": {"hasNextPage": False}}
        if first == "export-jobs":
            return {"data": {"id": last, "status": "pending" if last in self.readable else "failed"}}
        if self.random.random() < self.trouble / 3:
            raise PleoUnavailable("GET", path, 1, "bad luck")
        if last == "items":
            return self._page([{"accountingEntryId": i, "status": s} for i, s in self.jobs[first].items()], params, 0)
        job_id = params["job_id"]
        if job_id not in self.readable:
            raise RequestRefused("GET", path, 422, "EXPORT_JOB_STATUS_UNPROCESSABLE", "")
        if params.get("after") and self.random.random() < self.trouble / 3:
            raise RequestRefused("GET", path, 400, "", "unknown cursor")
        return self._page([{"accountingEntryId": i} for i in self.jobs[job_id]], params, self.trouble)

    def _page(self, rows: list[dict[str, Any]], params: Mapping[str, Any], trouble: float) -> dict[str, Any]:
        at = params.get("offset")
        start = int(params["after"][1:]) if params.get("after") else at or 0
        what = self.random.random() if trouble else 1.0
        size = params["limit"]
        if what < trouble / 4:
            size = 0 if at is None and not str(params.get("after")).startswith("e") else 1
        elif what < trouble / 2:
            size = max(1, size - 1)
        page = rows[start : start + size]
        end = start + len(page)
        if trouble and page and self.random.random() < trouble / 4:
            # A row of the page before is repeated.
            page = [rows[max(0, start - 1)], *page]
            self.repeated[params.get("job_id", "")] += 1
        if trouble and self.random.random() < trouble / 8:
            # A row is missing, as if the layers disagreed.
            page = page[1:]
        info: dict[str, Any] = {"hasNextPage": end < len(rows)}
        if end < len(rows):
            # An empty page's cursor is another spelling of the same place.
            info["endCursor"] = f"{'c' if size else 'e'}{end}"
        if self.random.random() > trouble:
            info["total"] = len(rows) + (self.random.random() < trouble / 4)
        return {"data": page, "pagination": info}


class Foreground:
    """Carries out background calls at once, so that a failure can be repeated."""

    def submit(self, call: Callable[..., object], *args: object) -> Future[object]:
        future: Future[object] = Future()
        try:
            future.set_result(call(*args))
        except PleoError as error:
            future.set_exception(error)
        return future


@dataclass
class World:
    """All runs taken together."""

    pleo: UnreliablePleo
    written: Counter[Key] = field(default_factory=Counter)
    state: str = "{}"
    page_size: int = 10
    concurrency: int = 1

    def run(self, cut: float) -> int:
        """Run once, cut off before or after any batch with that probability; return the exit code."""
        tap = TapPleoExport(config=CONFIG | {"page_size": self.page_size}, state=json.loads(self.state))
        tap.api = api = PleoApi(
            api_url="https://pleo.invalid",
            authenticator=ApiKeyAuth("key"),
            budget=RequestBudget(1),
            policy=RetryPolicy(),
            page_size=self.page_size,
            concurrency=self.concurrency,
        )
        api.get = self.pleo.get  # type: ignore[method-assign, assignment]
        pool: Any = Foreground()
        api.listing = partial(
            Listing, self.pleo.send, self.pleo.read, api.reduce_page_size, pool, api.allowed_concurrency
        )
        bookmarks, outcome = tap.bookmarks, tap.outcome
        random = self.pleo.random
        try:
            for batch in self.batches(tap):
                kept = random.randrange(len(batch.records) + 1) if random.random() < cut else len(batch.records)
                self.written.update(
                    (json.loads(msgspec.json.encode(record.jobId)), record.accountingEntryId)
                    for record in batch.records[:kept]
                )
                if random.random() < cut:
                    # A last STATE of this moment counts, too.
                    self.state = random.choice((self.state, json.dumps(bookmarks.to_state())))
                    return -9
                if kept < len(batch.records):
                    return -9
                if batch.job_id and batch.progress:
                    bookmarks.set(batch.job_id, batch.progress)
                self.state = json.dumps(bookmarks.to_state())
                self.never_ahead()
                if random.random() < cut:
                    return -9
        except FatalError:
            return 1
        finally:
            self.never_ahead()
        self.state = json.dumps(bookmarks.to_state())
        return outcome.exit_code

    @staticmethod
    def batches(tap: TapPleoExport) -> Iterator[Batch]:
        """Yield the batches of export items, in the order of a sync."""
        jobs, job_items, export_items = tap.streams.values()
        for context in cast("ExportJobs", jobs).child_contexts():
            for _ in cast("PleoStream", job_items).batches(context):
                pass
            yield from cast("PleoStream", export_items).batches(context)

    def never_ahead(self) -> None:
        """Assert that the state counts no item that is neither written nor finished."""
        bookmarks = Bookmarks(json.loads(self.state))
        for job_id in bookmarks.job_ids():
            progress = bookmarks.get(job_id)
            items = self.pleo.jobs[job_id]
            safe = sum(self.written[job_id, id_] > 0 or status in ENDED for id_, status in items.items())
            assert progress
            # A row that is repeated after a resume counts twice; the ids find that out at the end.
            assert progress.items <= safe + self.pleo.repeated[job_id]
            assert not progress.complete or safe == len(items)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    random=RANDOM,
    sizes=st.lists(st.integers(0, 60), min_size=1, max_size=4),
    trouble=st.sampled_from([0.0, 0.1, 0.4]),
    cut=st.sampled_from([0.0, 0.1, 0.4]),
    runs=st.integers(0, 8),
    concurrency=st.sampled_from([1, 3]),
)
def test_no_item_is_ever_lost(
    random: Random, sizes: list[int], trouble: float, cut: float, runs: int, concurrency: int
) -> None:
    jobs = {uuid(n): {uuid(1000 * n + i): "pending" for i in range(size)} for n, size in enumerate(sizes, 1)}
    pleo = UnreliablePleo(random, trouble, jobs)
    world = World(pleo, concurrency=concurrency)
    for _ in range(runs):
        world.run(cut)
        for items in jobs.values():
            for id_ in items:
                if random.random() < 0.05:
                    items[id_] = random.choice(ENDED)
        if random.random() < 0.2:
            world.page_size = random.randrange(1, 30)
        if random.random() < 0.1:
            world.state = "{}"

    pleo.trouble = 0.0
    exit_code = world.run(0.0)

    assert exit_code == 0
    for job_id, items in jobs.items():
        assert all(world.written[job_id, id_] or status in ENDED for id_, status in items.items())
    bookmarks = Bookmarks(json.loads(world.state))
    assert all((progress := bookmarks.get(job_id)) and progress.complete for job_id in jobs)
    assert set(world.written) <= {(job_id, id_) for job_id, items in jobs.items() for id_ in items}


@settings(max_examples=40, deadline=None)
@given(random=RANDOM, size=st.integers(0, 60), cut=st.sampled_from([0.05, 0.3]), concurrency=st.sampled_from([1, 3]))
def test_a_cut_repeats_one_page_at_most(random: Random, size: int, cut: float, concurrency: int) -> None:
    jobs = {uuid(1): {uuid(1000 + i): "pending" for i in range(size)}}
    world = World(UnreliablePleo(random, 0.0, jobs), concurrency=concurrency)
    cuts = 0
    while world.run(cut) == -9:
        cuts += 1
        cut = 0.0 if cuts == 10 else cut

    assert set(world.written) == {(uuid(1), id_) for id_ in jobs[uuid(1)]}
    assert sum(world.written.values()) - len(world.written) <= 10 * cuts


@settings(max_examples=40, deadline=None)
@given(random=RANDOM, size=st.integers(1, 60), trouble=st.sampled_from([0.0, 0.3]))
def test_a_job_that_ends_half_read_is_reported_once(random: Random, size: int, trouble: float) -> None:
    jobs = {uuid(1): {uuid(1000 + i): "pending" for i in range(size)}}
    pleo = UnreliablePleo(random, trouble, jobs)
    world = World(pleo)
    world.run(0.3)
    before = Bookmarks(json.loads(world.state)).get(uuid(1))
    pleo.readable.clear()
    pleo.trouble = 0.0

    codes = [world.run(0.0), world.run(0.0)]

    assert codes == [int(before is not None and not before.complete), 0]
    assert Bookmarks(json.loads(world.state)).job_ids() == []
