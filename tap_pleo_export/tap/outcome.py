"""The outcome of a run: which jobs failed, how much was read, and the exit code."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tap_pleo_export.api.errors import JobEnded, JobError, JobUnavailable, RunUnavailable

if TYPE_CHECKING:
    from tap_pleo_export.api.errors import ItemUnusable, RowsUnusable

logger = logging.getLogger("tap-pleo-export")


class RunOutcome:
    """Collects the failures of single jobs, so that one never stops the others, and logs each as it happens.

    A second job in a row whose requests fail after all retries does stop the run: then Pleo is down, not the job.

    Attributes:
        items: Number of export items read.
        expiring: Ids of the jobs that expire soon.
        unread: Ids of the jobs that could not be read to the end.
    """

    def __init__(self) -> None:
        self.items = self.pages = 0
        self.expiring: set[str] = set()
        self.unread: set[str] = set()
        self._failed: set[str] = set()
        self._rows_skipped = False
        self._unavailable: set[str] = set()
        self._unavailable_in_a_row = 0

    @property
    def exit_code(self) -> int:
        """1 if anything could not be read, else 0."""
        return int(bool(self.unread) or self._rows_skipped)

    def failed(self, job_id: str) -> bool:
        """Return whether the job has failed in this run."""
        return job_id.lower() in self._failed

    @contextlib.contextmanager
    def collect_failures(self, *, loses_items: bool = True) -> Iterator[None]:
        """Read something of one job; a failure of that job ends only this block.

        `loses_items` says whether export items are missed if the job turns out to have ended.
        """
        try:
            yield
        except JobUnavailable as error:
            self._unavailable_in_a_row += 1
            self._unavailable.add(error.job_id.lower())
            self.record_job_failure(error)
            if self._unavailable_in_a_row > 1:
                raise RunUnavailable from None
        except JobError as error:
            self.record_job_failure(error, loses_items=loses_items)

    def end_job(self, job_id: str) -> None:
        """Note that reading a job has ended; if Pleo answered for it, the row of unavailable jobs is interrupted."""
        if job_id.lower() not in self._unavailable:
            self._unavailable_in_a_row = 0

    def record_job_failure(self, error: JobError, *, loses_items: bool = True) -> None:
        """Log a job's failure and count it."""
        self._failed.add(error.job_id.lower())
        if loses_items or not isinstance(error, JobEnded):
            self.unread.add(error.job_id.lower())
        if isinstance(error, JobEnded):
            logger.warning("%s", error)
        else:
            logger.error("%s", error)

    def record_skipped_items(self, error: ItemUnusable) -> None:
        """Log items that cannot become records; reading their job continues, but it is not complete."""
        self.unread.add(error.job_id.lower())
        logger.error("%s", error)

    def record_skipped_rows(self, error: RowsUnusable) -> None:
        """Log rows of a list that cannot become records; reading the others continues."""
        self._rows_skipped = True
        logger.error("%s", error)
