"""Progress as Singer state: one partition per export job under ``bookmarks.export_items``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tap_pleo_export.tap.completeness import JobProgress
from tap_pleo_export.tap.job_item_ids import DIGEST_MODULUS

STREAM = "export_items"
CURSOR_PATTERN = re.compile(r"[\x21-\x7e]+")
# An id becomes part of a path.
JOB_ID_PATTERN = re.compile(r"[0-9A-Za-z-]{1,64}")
MAX_NUMBER = 2**53


class Bookmarks:
    """The progress of each export job, as read from and written to Singer state.

    State may be edited by hand or come from elsewhere: an entry that this connector cannot have written is dropped,
    which restarts its job, and counted in :attr:`unreadable`.
    """

    def __init__(self, state: object) -> None:
        self._progress: dict[str, tuple[str, JobProgress]] = {}
        self.unreadable = 0
        for entry in self._entries(state):
            job_id, progress = _parse(entry)
            if progress is None:
                self.unreadable += 1
            else:
                self.set(job_id, progress)

    def __len__(self) -> int:
        return len(self._progress)

    def job_ids(self) -> list[str]:
        """Return the ids of the jobs in the state."""
        return [job_id for job_id, _ in self._progress.values()]

    def get(self, job_id: str) -> JobProgress | None:
        """Return a job's progress, or None."""
        _, progress = self._progress.get(job_id.lower(), (job_id, None))
        return progress

    def is_complete(self, job_id: str) -> bool:
        """Return whether all of a job's items have been seen."""
        progress = self.get(job_id)
        return progress is not None and progress.complete

    def set(self, job_id: str, progress: JobProgress) -> None:
        """Note a job's progress."""
        self._progress[job_id.lower()] = (job_id, progress)

    def drop(self, job_id: str) -> None:
        """Forget a job."""
        self._progress.pop(job_id.lower(), None)

    def to_state(self) -> dict[str, Any]:
        """Return the Singer state; an empty list of partitions is included because Meltano merges states."""
        partitions = [
            {
                "context": {"jobId": job_id},
                "page": progress.page,
                "cursor": progress.cursor,
                "page_size": progress.page_size,
                "items": progress.items,
                "digest": f"{progress.digest:032x}",
                "complete": progress.complete,
            }
            for job_id, progress in self._progress.values()
        ]
        return {"bookmarks": {STREAM: {"partitions": partitions}}}

    def _entries(self, state: object) -> list[object]:
        node = state
        for key in ("bookmarks", STREAM, "partitions"):
            if node is None or (isinstance(node, Mapping) and key not in node):
                return []
            if not isinstance(node, Mapping):
                self.unreadable += 1
                return []
            node = node[key]
        if isinstance(node, list):
            return node
        self.unreadable += node is not None
        return []


def _parse(entry: object) -> tuple[str, JobProgress | None]:
    """Return an entry's job id and progress; None for an entry that this connector cannot have written."""
    match entry:
        case {
            "context": {"jobId": str(job_id)},
            "page": int(page),
            "cursor": None | str() as cursor,
            "page_size": int(page_size),
            "items": int(items),
            "digest": str(digest),
            "complete": bool(complete),
        } if (
            JOB_ID_PATTERN.fullmatch(job_id)
            and 0 < page < MAX_NUMBER
            and 0 < page_size < MAX_NUMBER
            and 0 <= items < MAX_NUMBER
            and not any(isinstance(number, bool) for number in (page, page_size, items))
            and (cursor is None or CURSOR_PATTERN.fullmatch(cursor))
            and re.fullmatch(r"[0-9a-f]{1,32}", digest)
        ):
            return job_id, JobProgress(
                page_size=page_size,
                page=page,
                cursor=cursor,
                items=items,
                digest=int(digest, 16) % DIGEST_MODULUS,
                complete=complete,
            )
    return "", None
