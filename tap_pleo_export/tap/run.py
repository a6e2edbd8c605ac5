"""What the parts of one run's reading share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_pleo_export.api.jobs import READABLE_STATUSES

if TYPE_CHECKING:
    import logging
    from collections.abc import Collection, Sequence

    from tap_pleo_export.tap.bookmarks import Bookmarks
    from tap_pleo_export.tap.outcome import RunOutcome
    from tap_pleo_export.tap.source import JobSource, PageSource


@dataclass(frozen=True, slots=True)
class Scope:
    """Which jobs and items a run is about (settings of the same names)."""

    job_ids: Sequence[str] = ()
    item_statuses: Collection[str] = READABLE_STATUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run's reading.

    Attributes:
        export_jobs: Where export jobs come from.
        export_job_items: Where job items come from.
        export_items: Where export items come from.
        page_size: The ``limit`` that pages of export items are asked with.
        scope: Which jobs and items.
        bookmarks: Where each job's progress stands.
        outcome: Where failed jobs are counted.
        logger: Where the run is told.
        reads_export_items: Whether export items are read at all.
    """

    export_jobs: JobSource
    export_job_items: PageSource
    export_items: PageSource
    page_size: int
    scope: Scope
    bookmarks: Bookmarks
    outcome: RunOutcome
    logger: logging.Logger
    reads_export_items: bool = True
