"""The jobs and items of the input, for the progress that a person sees."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tap_pleo_export.attachments.messages import ITEMS
from tap_pleo_export.singer.exact_json import decode, members
from tap_pleo_export.singer.progress import minutes_left
from tap_pleo_export.text import parse_time

if TYPE_CHECKING:
    from tap_pleo_export.singer.message_reader import InputMessage
    from tap_pleo_export.singer.progress import Progress


class Watch:
    """Counts the items of the input, and shows them with the files stored and the minutes of the current job.

    Args:
        progress: Where they are shown.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._announced: dict[str, int] = {}
        self._expiries: dict[str, datetime | None] = {}
        self._items = 0
        self._job = ""

    def note(self, message: InputMessage) -> None:
        """Count a message; those that are not usable records are reported elsewhere."""
        if message.type != "RECORD":
            return
        if message.stream == ITEMS:
            (job,) = _values(message, "jobId")
            self._items, self._job = self._items + 1, str(job)
        elif message.stream == "export_jobs":
            job, announced, expires = _values(message, "id", "numberOfItems", "expiresAt")
            self._announced[str(job)] = announced if isinstance(announced, int) else 0
            self._expiries[str(job)] = parse_time(expires)

    def show(self, stored: int) -> None:
        """Show the progress with the number of files stored."""
        total = max(sum(self._announced.values()), self._items)
        left = minutes_left(self._expiries.get(self._job))
        items = f"{self._items} of {total} items"
        self._progress.show(
            f"Receipts of {len(self._announced)} jobs", self._items, total, left, items, f"{stored} files"
        )


def _values(message: InputMessage, *names: str) -> list[Any]:
    try:
        record = members(message.members["record"])
        return [decode(record.get(name, b"null")) for name in names]
    except (KeyError, ValueError, RecursionError):
        return [None] * len(names)
