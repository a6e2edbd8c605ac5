"""Updates waiting to be sent together: those of one job share a request. No I/O; the caller passes the time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_pleo_export.target.jobs import ItemUpdate

MAX_WAIT_SECONDS = 5.0
MAX_WAITING_UPDATES = 10_000


@dataclass(slots=True)
class UpdateBatch:
    """The waiting updates of one job.

    Attributes:
        since: When the first one arrived, in seconds of a monotonic clock.
        updates: The first update of each item, by its key.
        later: Further updates of the same items, in order; they are checked once the first ones are settled.
    """

    since: float
    updates: dict[bytes, ItemUpdate] = field(default_factory=dict)
    later: list[ItemUpdate] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of waiting updates."""
        return len(self.updates) + len(self.later)


class UpdateQueue:
    """Batches by job, oldest first; a full one has ``batch_size`` updates."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._batches: dict[str, UpdateBatch] = {}
        self._full: dict[str, None] = {}
        self._waiting = 0

    def __len__(self) -> int:
        """Return the number of waiting updates."""
        return self._waiting

    def add(self, update: ItemUpdate, now: float) -> None:
        """Add an update to its job's batch."""
        batch = self._batches.setdefault(update.job_id, UpdateBatch(now))
        if update.key in batch.updates:
            batch.later.append(update)
        else:
            batch.updates[update.key] = update
        self._waiting += 1
        if len(batch.updates) >= self._batch_size or len(batch) >= MAX_WAITING_UPDATES:
            self._full[update.job_id] = None

    def take(self, job_id: str) -> UpdateBatch:
        """Remove a job's batch and return it."""
        batch = self._batches.pop(job_id)
        self._full.pop(job_id, None)
        self._waiting -= len(batch)
        return batch

    def due(self, now: float) -> str | None:
        """Return a job whose batch must be sent now: full, too old, or the oldest if too many updates wait."""
        full, oldest = next(iter(self._full), None), self.oldest()
        if full is not None or oldest is None:
            return full
        too_old = now - self._batches[oldest].since >= MAX_WAIT_SECONDS
        return oldest if too_old or self._waiting >= MAX_WAITING_UPDATES else None

    def oldest(self) -> str | None:
        """Return the job whose batch has waited longest, if any."""
        return next(iter(self._batches), None)

    def next_due(self, now: float) -> float | None:
        """Return the seconds until the oldest batch is due; None if nothing waits."""
        oldest = next(iter(self._batches.values()), None)
        return None if oldest is None else max(0.0, oldest.since + MAX_WAIT_SECONDS - now)
