"""The jobs of a run, each read once, and again where nobody knows what took effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_pleo_export.api.errors import JobEnded

if TYPE_CHECKING:
    from tap_pleo_export.target.api import ReportingApi
    from tap_pleo_export.target.job import ReportedJob


class Jobs:
    """Jobs by id."""

    def __init__(self, api: ReportingApi) -> None:
        self._api = api
        self._jobs: dict[str, ReportedJob] = {}

    def get(self, job_id: str) -> ReportedJob:
        """Return a job, read with its control layer if this is the first time.

        Raises:
            PleoError: It cannot be read.
        """
        if job_id not in self._jobs:
            job = self._api.job(job_id)
            self.read_items(job)
            self._jobs[job_id] = job
        return self._jobs[job_id]

    def get_running(self, job_id: str) -> ReportedJob | None:
        """Return a job as :meth:`get` does; None, without a look at its items, if it is read now and has ended."""
        if job_id not in self._jobs and self._api.job(job_id).ended:
            return None
        return self.get(job_id)

    def read_again(self, job: ReportedJob) -> None:
        """Read a job and its control layer again; raises as :meth:`get`."""
        now = self._api.job(job.id)
        job.failure, job.started = now.failure, job.started or now.started
        # A job that a dry run has started in thought is not pending again.
        job.status = "in_progress" if now.status == "pending" and job.started else now.status
        self.read_items(job)

    def read_items(self, job: ReportedJob) -> None:
        """Read a job's control layer again; raises as :meth:`get`."""
        if job.status is None:
            return
        try:
            job.learn(self._api.job_items(job.id))
        except JobEnded:
            # Since its record was read.
            job.status = None
