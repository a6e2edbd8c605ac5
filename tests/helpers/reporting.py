"""The target's reporter without HTTP: the sandbox's jobs answer requests directly, with scripted mishaps."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal, TypeVar

from sandbox import Job
from sandbox.problems import Problem
from sandbox.world import World
from tap_pleo_export.api.budget import RequestBudget
from tap_pleo_export.api.credentials import ApiKeyAuth
from tap_pleo_export.api.errors import OutcomeUnknown, RequestRefused
from tap_pleo_export.api.pleo_api import PleoApi
from tap_pleo_export.api.request import ApiRequest, ApiResponse
from tap_pleo_export.api.retry import RetryPolicy
from tap_pleo_export.api.sender import Sender
from tap_pleo_export.target.api import ReportingApi
from tap_pleo_export.target.reporter import Reporter
from tap_pleo_export.target.run import Acknowledgement, Outcomes, ReportingRun

T = TypeVar("T")
Mishap = Literal["", "lost before", "lost after", "too large", "killed before", "killed after", "unmentioned"]
UNUSED_SENDER = Sender()
START = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Killed(BaseException):
    """The process is killed."""


class DirectPleo(PleoApi):
    """A client whose requests are answered by a world's jobs.

    Attributes:
        world: The jobs.
        mishaps: Happen to the writes, one after the other.
        writes: Number of writes sent.
        changed: Changes that took effect: (entry, status) or (None, event).
    """

    def __init__(self, world: World) -> None:
        super().__init__(
            api_url="http://pleo.test",
            authenticator=ApiKeyAuth("key"),
            budget=RequestBudget(1),
            policy=RetryPolicy(),
            sender=UNUSED_SENDER,
        )
        self.world = world
        self.mishaps: list[Mishap] = []
        self.writes = 0
        self.changed: list[tuple[str | None, str]] = []

    def send(self, request: ApiRequest) -> ApiResponse:
        """ApiResponse a request as the API does."""
        body: Any = request.body
        job = self.world.jobs[body["jobId"] if request.method == "POST" else request.path.split("/")[3]]
        if request.method == "GET":
            return self._respond(request, self._page(job) if request.path.endswith("/items") else {"data": job.record})
        self.writes += 1
        mishap: Mishap = self.mishaps.pop(0) if self.mishaps else ""
        if mishap == "killed before":
            raise Killed
        if mishap == "lost before":
            raise OutcomeUnknown(request.method, request.path, "lost")
        answer = self._post(job, body) if request.method == "POST" else self._put(job, body, mishap)
        if mishap == "killed after":
            raise Killed
        if mishap == "lost after":
            raise OutcomeUnknown(request.method, request.path, "lost")
        return self._respond(request, answer)

    def read(self, answer: ApiResponse, decode: Callable[[bytes], T]) -> T:
        return decode(answer.body)

    def _respond(self, request: ApiRequest, value: object) -> ApiResponse:
        return ApiResponse(request, "application/json", json.dumps(value).encode())

    def _page(self, job: Job) -> dict[str, Any]:
        rows = [job.row(entry) for entry in job.item_statuses]
        return {"data": rows, "pagination": {"hasNextPage": False, "total": len(rows)}}

    def _put(self, job: Job, updates: list[dict[str, str]], mishap: Mishap) -> dict[str, Any]:
        if mishap == "too large" and len(updates) > 1:
            raise RequestRefused("PUT", "/", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "LIMIT", "")
        if not job.running:
            raise RequestRefused("PUT", "/", HTTPStatus.UNPROCESSABLE_ENTITY, "EXPORT_JOB_STATUS_UNPROCESSABLE", "")
        data, errors = [], []
        names = {entry.lower(): entry for entry in job.item_statuses}
        for update in updates:
            entry = names.get(update["accountingEntryId"].lower())
            before = entry and job.item_statuses[entry]
            error = job.update(entry, update, START)
            if entry is None or error is not None:
                errors.append({"accountingEntryId": update["accountingEntryId"], "type": error})
                continue
            assert before in {"pending", "in_progress"}, "a final item is sent again"
            self.changed.append((entry, update["status"]))
            data.append(job.row(entry))
        return {"data": data[1:] if mishap == "unmentioned" else data, "errors": errors}

    def _post(self, job: Job, event: dict[str, str]) -> dict[str, Any]:
        try:
            job.apply(event, START)
        except Problem as problem:
            raise RequestRefused("POST", "/", problem.status, problem.body["type"], "") from None
        self.changed.append((None, event["event"]))
        return {}


@dataclass
class Reporting:
    """A run of the reporter, with the states that it passes on and its counts."""

    pleo: DirectPleo
    batch_size: int = 100
    complete_jobs: bool = False
    dry_run: bool = False
    start_jobs: bool = False
    passed: list[bytes] = field(default_factory=list)
    outcomes: Outcomes = field(init=False)
    reporter: Reporter = field(init=False)

    def __post_init__(self) -> None:
        self.outcomes = Outcomes(logging.getLogger("test-reporting"), Acknowledgement())
        run = ReportingRun(
            api=ReportingApi(self.pleo),
            outcomes=self.outcomes,
            policy=RetryPolicy(max_retries=20, first_wait=0.0),
            sleep=lambda _: None,
            shielded=contextlib.nullcontext,
            pass_states=self._pass_states,
            start_jobs=self.start_jobs,
            dry_run=self.dry_run,
        )
        self.reporter = Reporter(run, batch_size=self.batch_size, complete_jobs=self.complete_jobs)

    def counts(self) -> tuple[object, ...]:
        return self.outcomes.accepted, self.outcomes.already, self.outcomes.refused, self.outcomes.events

    def _pass_states(self) -> None:
        state = self.outcomes.acknowledgement.due()
        if state is not None:
            self.passed.append(state)
