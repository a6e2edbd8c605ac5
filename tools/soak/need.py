"""How many requests a run sent beyond need, and how many its kills and faults may have cost.

Needed is each page of the job list and of job items once, and each page of export items once whose items the tap's
last STATE covers and the state that it was given did not. Whatever else was sent is beyond need: pages in hand when a
run ended, repeated requests, jobs read again. Tokens are counted apart: needed are those that were granted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.pages import Cursor
from tools.expectation import RUNNING
from tools.soak.faults import ITEMS, JOBS, TOKEN

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sandbox import Job, Request, Sandbox
    from tools.soak.faults import Cost

CONTROL_PAGE = 1000
OK, UNAUTHORISED = 200, 401
Row = tuple[int, int | None]


class Progress(NamedTuple):
    """How far a job has been read.

    Attributes:
        items: Items seen.
        complete: Whether those are all.
        resumable: Whether a cursor leads on; without one the job is read from its first page.
    """

    items: int = 0
    complete: bool = False
    resumable: bool = True


def progress_in(state: Any) -> dict[str, Progress]:  # noqa: ANN401 - a Singer state, or None
    """Return the progress of each job in a state."""
    entries = state["bookmarks"].get("export_items", {}).get("partitions", []) if state else []
    return {
        entry["context"]["jobId"]: Progress(entry["items"], entry["complete"], bool(entry["cursor"]))
        for entry in entries
    }


@dataclass(frozen=True, kw_only=True)
class RunRequests:
    """One run of the tap, as Pleo saw it.

    Attributes:
        pleo: The sandbox, after the run.
        requests: The requests of the run.
        before: Each job's progress in the state that the tap was given.
        after: Each job's progress in the last STATE that it wrote.
        page_size: The setting.
        width: The setting ``max_concurrent_requests``.
        statuses: The setting ``item_statuses``; empty for all.
    """

    pleo: Sandbox
    requests: Sequence[Request]
    before: dict[str, Progress]
    after: dict[str, Progress]
    page_size: int
    width: int
    statuses: Collection[str] = RUNNING

    @property
    def granted(self) -> int:
        """How many tokens were granted."""
        return sum(request.path == TOKEN and request.status == OK for request in self.requests)

    def beyond_need(self) -> int:
        """Return how many requests were sent beyond need."""
        lists = {
            (request.path, _row(request))
            for request in self.requests
            if request.path.startswith(JOBS) and request.status != UNAUTHORISED
        }
        pages = sum(self._pages_gained(job_id, rows) for job_id, rows in self._rows_by_job().items())
        return len(self.requests) - len(lists) - pages - self.granted

    def allowance(self, cost: Cost, rereads: int) -> int:
        """Return how many requests beyond need the run may have sent.

        Args:
            cost: Of the faults that hit this run, and of what the last one left to be read again.
            rereads: How often the tap said that it reads a job again.
        """
        jobs = self.pleo.jobs.values()
        control = max((-(-len(job.item_statuses) // self._limit(CONTROL_PAGE)) for job in jobs), default=0)
        # An empty page is met again on each further way through a job.
        data = max((self._pages_of(job) for job in jobs), default=0) + len(self.pleo.empty_page_at)
        in_hand = sum(self.width + 1 + self._quiet_pages(self.pleo.jobs[job_id]) for job_id in self._left_incomplete())
        return (
            cost.requests
            + (cost.ahead + self._tokens_replaced()) * (self.width + 1)
            + cost.control * control
            + (min(cost.data, rereads) + cost.behind) * data
            + in_hand
        )

    def _tokens_replaced(self) -> int:
        """Return how many tokens were granted after the first request; with the one before, others are on their way."""
        paths = [request.path for request in self.requests if request.path != TOKEN or request.status == OK]
        return paths[next((number for number, path in enumerate(paths) if path != TOKEN), 0) :].count(TOKEN)

    def all_complete(self) -> bool:
        """Return whether the state calls every job complete."""
        return all(self.after.get(job_id, Progress()).complete for job_id in self.pleo.jobs)

    def left_incomplete(self) -> int:
        """Return how many jobs the state holds that are not complete."""
        return sum(not progress.complete for progress in self.after.values())

    def _left_incomplete(self) -> list[str]:
        return [job_id for job_id in self._rows_by_job() if not self.after.get(job_id, Progress()).complete]

    def _rows_by_job(self) -> dict[str, set[Row]]:
        found: dict[str, set[Row]] = {}
        for request in self.requests:
            if request.path == ITEMS:
                row, number = _row(request)
                # An empty page stands where the next one does.
                empty = number in self.pleo.empty_page_at
                found.setdefault(request.query["job_id"][0], set()).add((row, number if empty else None))
        return found

    def _pages_gained(self, job_id: str, rows: set[Row]) -> int:
        before, after = self.before.get(job_id, Progress()), self.after.get(job_id, Progress())
        resumed = before.resumable and not before.complete and before.items <= after.items
        start = before.items if resumed else 0
        gained = sum(start <= row < after.items for row, _ in rows)
        # That there is nothing more takes a page to be told, if all items have been seen.
        return gained or int(after.complete)

    def _limit(self, wanted: int) -> int:
        return min(wanted, self.pleo.max_limit)

    def _pages_of(self, job: Job) -> int:
        return max(1, -(-len(job.items) // self._limit(self.page_size)))

    def _quiet_pages(self, job: Job) -> int:
        """Return how many pages have nothing to be written: no STATE need follow them."""
        size, rows = self._limit(self.page_size), job.shuffled() if self.pleo.shuffle_items else job.items
        status = job.item_statuses
        wanted = [not self.statuses or status.get(row["accountingEntryId"], "pending") in self.statuses for row in rows]
        quiet = sum(not any(wanted[start : start + size]) for start in range(0, len(wanted), size))
        return quiet + len(self.pleo.empty_page_at)


def _row(request: Request) -> Row:
    """Return where a page begins, and its number in a walk by cursor."""
    if "offset" in request.query:
        return int(request.query["offset"][0]), None
    if "after" not in request.query:
        return 0, 1
    _, cursor = Cursor.read(request.query["after"][0])
    return cursor.row + 1, cursor.page + 1
