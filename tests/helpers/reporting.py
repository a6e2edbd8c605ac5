"""Reporting without HTTP: the sandbox's own jobs behind the calls of `ReportingApi`, with scripted mishaps."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, cast

from sandbox.problems import Problem
from sandbox.world import World
from tap_pleo_export.api.errors import OutcomeUnknown, RequestRefused
from tap_pleo_export.api.retry import RetryPolicy
from tap_pleo_export.target.acknowledgement import Acknowledgement
from tap_pleo_export.target.api import JobItem, ReportingApi, UpdateAnswer, UpdateError
from tap_pleo_export.target.job import Known, ReportedJob
from tap_pleo_export.target.jobs import Jobs
from tap_pleo_export.target.reporter import Reporter
from tap_pleo_export.target.run import Run
from tap_pleo_export.target.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox import Job
    from tap_pleo_export.target.updates import ItemUpdate, JobEvent

Mishap = Literal["", "lost before", "lost after", "too large", "killed before", "killed after", "unmentioned"]
START = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Killed(BaseException):
    """The process is no more."""


@dataclass
class Pleo:
    """A world as the reporting sees it.

    Attributes:
        world: Its jobs.
        mishaps: What happens to the writes, one after the other; then nothing does.
        sent: The updates of each PUT.
        posted: The events that were sent.
        changed: What took effect: (entry, status) or (None, event).
    """

    world: World
    mishaps: list[Mishap] = field(default_factory=list)
    sent: list[list[ItemUpdate]] = field(default_factory=list)
    posted: list[JobEvent] = field(default_factory=list)
    changed: list[tuple[str | None, str]] = field(default_factory=list)

    def _job(self, job_id: str) -> Job:
        return self.world.jobs[job_id]

    def job(self, job_id: str) -> ReportedJob:
        if job_id not in self.world.jobs:
            return ReportedJob(job_id, None)
        record = self._job(job_id).record
        return ReportedJob(job_id, record["status"], record["numberOfItems"], started=record["startedAt"] is not None)

    def job_items(self, job_id: str) -> Iterator[tuple[str, Known]]:
        job = self._job(job_id)
        for entry in job.item_statuses:
            row = job.row(entry)
            yield entry, Known(row["status"], row["externalId"])

    def update(self, job_id: str, updates: Sequence[ItemUpdate]) -> UpdateAnswer:
        self.sent.append(list(updates))
        mishap = self._before("PUT")
        if mishap == "too large" and len(updates) > 1:
            raise RequestRefused("PUT", "/", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "LIMIT", "")
        job = self._job(job_id)
        if not job.running:
            raise RequestRefused("PUT", "/", HTTPStatus.UNPROCESSABLE_ENTITY, "EXPORT_JOB_STATUS_UNPROCESSABLE", "")
        data, errors = [], []
        names = {entry.lower(): entry for entry in job.item_statuses}
        for update in updates:
            entry = names.get(update.entry_id.lower())
            before = entry and job.item_statuses[entry]
            error = job.update(entry, update.to_body(), START)
            if entry is None or error is not None:
                errors.append(UpdateError(update.entry_id, error))
                continue
            assert before in {"pending", "in_progress"}, "a final item is sent again"
            self.changed.append((entry, update.status))
            row = job.row(entry)
            data.append(JobItem(entry, row["status"], row["externalId"]))
        self._after("PUT", mishap)
        return UpdateAnswer(data[1:] if mishap == "unmentioned" else data, errors)

    def post(self, event: JobEvent) -> None:
        self.posted.append(event)
        mishap = self._before("POST")
        try:
            self._job(event.job_id).apply(event.to_body(), START)
        except Problem as problem:
            raise RequestRefused("POST", "/", problem.status, problem.body["type"], "") from None
        self.changed.append((None, event.event))
        self._after("POST", mishap)

    def _before(self, method: str) -> Mishap:
        mishap: Mishap = self.mishaps.pop(0) if self.mishaps else ""
        if mishap == "killed before":
            raise Killed
        if mishap == "lost before":
            raise OutcomeUnknown(method, "/", "lost")
        return mishap

    def _after(self, method: str, mishap: Mishap) -> None:
        if mishap == "killed after":
            raise Killed
        if mishap == "lost after":
            raise OutcomeUnknown(method, "/", "lost")


@dataclass
class Reporting:
    """A run of the reporting: what it acknowledges, says and counts."""

    pleo: Pleo
    batch_size: int = 100
    complete_jobs: bool = False
    dry_run: bool = False
    start_jobs: bool = False
    passed: list[bytes] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    acknowledgement: Acknowledgement = field(default_factory=Acknowledgement)
    reporter: Reporter = field(init=False)

    def __post_init__(self) -> None:
        api = cast("ReportingApi", self.pleo)
        logger = logging.getLogger("test-reporting")
        run = Run(
            api=api,
            jobs=Jobs(api),
            tally=self.tally,
            acknowledgement=self.acknowledgement,
            logger=logger,
            policy=RetryPolicy(max_retries=20, first_wait=0.0),
            sleep=lambda _: None,
            shielded=contextlib.nullcontext,
            passed_on=self._pass,
            start_jobs=self.start_jobs,
            dry_run=self.dry_run,
        )
        self.reporter = Reporter(run, batch_size=self.batch_size, complete_jobs=self.complete_jobs)

    def _pass(self) -> None:
        state = self.acknowledgement.due()
        if state is not None:
            self.passed.append(state)


def world(*jobs: Any, seed: int = 1) -> World:
    """Return a world of jobs, each given as `World.add_job` takes it."""
    made = World(seed=seed, clock=lambda: START)
    for job in jobs:
        made.add_job(**job)
    return made
