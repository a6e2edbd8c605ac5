"""What became of a run: which jobs failed, and the exit code."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tap_pleo_export.api.errors import JobEnded, JobError, JobUnavailable, RunUnavailable
from tap_pleo_export.tap.completeness import some

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

    from tap_pleo_export.api.errors import ItemUnusable, RowsUnusable


class RunOutcome:
    """Collects the failures of single jobs, so that one never stops the others, and names each as it happens.

    A second job in a row whose requests outlive their retries does stop the run: then it is not the job, it is Pleo.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._failed: dict[str, bool] = {}
        self._incomplete: dict[str, None] = {}
        self._rows_left_out = 0
        self._unavailable: set[str] = set()
        self._unavailable_in_a_row = 0

    @property
    def exit_code(self) -> int:
        """1 if a job could not be read to its end, else 0."""
        return int(any(self._failed.values()) or bool(self._incomplete) or self._rows_left_out > 0)

    def failed(self, job_id: str) -> bool:
        """Return whether the job has been given up in this run."""
        return job_id.lower() in self._failed

    @contextlib.contextmanager
    def collect_failures(self, *, loses_items: bool = True) -> Iterator[None]:
        """Read something of one job; a failure of that job ends this block only.

        Args:
            loses_items: Whether export items are missed if the job turns out to have ended.
        """
        try:
            yield
        except JobUnavailable as error:
            self._unavailable_in_a_row += 1
            self._unavailable.add(error.job_id.lower())
            self.give_up(error)
            if self._unavailable_in_a_row > 1:
                raise RunUnavailable from None
        except JobError as error:
            self.give_up(error, loses_items=loses_items)

    def end_job(self, job_id: str) -> None:
        """Note that nothing more is read of a job; one that Pleo answered for interrupts a row of unavailable ones."""
        if job_id.lower() not in self._unavailable:
            self._unavailable_in_a_row = 0

    def give_up(self, error: JobError, *, loses_items: bool = True) -> None:
        """Name a job's failure and count it."""
        harmless = isinstance(error, JobEnded) and not loses_items
        self._failed[error.job_id.lower()] = not harmless or self._failed.get(error.job_id.lower(), False)
        if isinstance(error, JobEnded):
            self._logger.warning("%s", error)
        else:
            self._logger.error("%s", error)

    def leave_out_items(self, error: ItemUnusable) -> None:
        """Name items that cannot be records; their job is read on, but not complete."""
        self._incomplete[error.job_id.lower()] = None
        self._logger.error("%s", error)

    def leave_out_rows(self, error: RowsUnusable) -> None:
        """Name rows of a list that cannot be records; the others are read."""
        self._rows_left_out += 1
        self._logger.error("%s", error)

    def summary(self) -> str | None:
        """Return one line on the jobs given up, or None if none were."""
        lost = [job_id for job_id, loses in self._failed.items() if loses]
        lost += [job_id for job_id in self._incomplete if job_id not in lost]
        if not lost:
            return None
        return f"{len(lost)} export job(s) could not be read to the end, see above: {some(lost)}"
