"""Updates that wait to be sent together: those of one job share a request. Pure: the clock is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_pleo_export.target.updates import ItemUpdate

LONGEST_WAIT = 5.0
MOST_WAITING = 10_000


@dataclass(slots=True)
class Batch:
    """The updates of one job that wait.

    Attributes:
        since: When the first came, on a monotonic clock, in seconds.
        updates: The first update of each item, by its key.
        later: Further updates of the same items, in order: they are judged once the first ones are settled.
    """

    since: float
    updates: dict[bytes, ItemUpdate] = field(default_factory=dict)
    later: list[ItemUpdate] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of waiting updates."""
        return len(self.updates) + len(self.later)


class Batches:
    """Batches by job, the one that has waited longest first.

    Args:
        size: Updates in a full batch.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._batches: dict[str, Batch] = {}
        self._waiting = 0

    def __len__(self) -> int:
        """Return the number of waiting updates."""
        return self._waiting

    def add(self, update: ItemUpdate, now: float) -> None:
        """Let an update wait."""
        batch = self._batches.get(update.job_id)
        if batch is None:
            batch = self._batches[update.job_id] = Batch(now)
        if update.key in batch.updates:
            batch.later.append(update)
        else:
            batch.updates[update.key] = update
        self._waiting += 1

    def take(self, job_id: str) -> Batch:
        """Remove a job's batch and return it."""
        batch = self._batches.pop(job_id)
        self._waiting -= len(batch)
        return batch

    def full(self, job_id: str) -> bool:
        """Return whether a job's batch is to be sent whatever its age: it, or all of them, hold enough."""
        batch = self._batches.get(job_id)
        return batch is not None and (len(batch.updates) >= self._size or len(batch) >= MOST_WAITING)

    def due(self, now: float) -> str | None:
        """Return the job whose batch has waited long enough, if there is one; the oldest if too much waits."""
        oldest = next(iter(self._batches.items()), None)
        if oldest is None:
            return None
        job_id, batch = oldest
        return job_id if now - batch.since >= LONGEST_WAIT or self._waiting >= MOST_WAITING else None

    def next_due(self, now: float) -> float | None:
        """Return in how many seconds the oldest batch is due; None if nothing waits."""
        oldest = next(iter(self._batches.values()), None)
        return None if oldest is None else max(0.0, oldest.since + LONGEST_WAIT - now)

    def jobs(self) -> list[str]:
        """Return the jobs with waiting updates, the one that has waited longest first."""
        return list(self._batches)
