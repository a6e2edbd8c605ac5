"""Requests of the target: an export job, its control layer, updates of its items, events."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from tap_pleo_export.api.errors import JobEnded, JobRefused, RequestRefused, WrongJob, as_list_error, has_ended
from tap_pleo_export.api.jobs import ExportJob, JobRow
from tap_pleo_export.api.paging import PageDecoder, decode_single
from tap_pleo_export.api.request import ApiRequest
from tap_pleo_export.target.jobs import ItemOutcome, ReportedJob
from tap_pleo_export.text import storable

if TYPE_CHECKING:
    from tap_pleo_export.api.paging import Token
    from tap_pleo_export.api.pleo_api import PleoApi
    from tap_pleo_export.target.jobs import ItemUpdate, JobEvent

READ_SCOPE = "export-jobs:read"
WRITE_SCOPE = "export-jobs:write"


class JobItem(msgspec.Struct, rename="camel"):
    """Members read of an export job item (OpenAPI schema ``ExportJobItemV3``)."""

    accounting_entry_id: str
    status: str | None = None
    external_id: Any = None

    @property
    def outcome(self) -> ItemOutcome:
        """Its outcome."""
        return ItemOutcome(self.status, (isinstance(self.external_id, str) and self.external_id) or None)


class UpdateError(msgspec.Struct, rename="camel"):
    """An update refused by Pleo (OpenAPI schema ``ExportJobItemUpdateErrorV3``)."""

    accounting_entry_id: str
    type: str | None = None
    message: str | None = None


class UpdateResponse(msgspec.Struct):
    """Result of each update (OpenAPI schema ``ExportJobItemUpdateV3``)."""

    data: list[JobItem]
    errors: list[UpdateError] | None = None


_JOB_ITEMS: PageDecoder[JobItem] = PageDecoder(JobItem)


class ReportingApi:
    """Reads export jobs, each once and again after a write with an unknown outcome; builds the writing requests."""

    def __init__(self, client: PleoApi) -> None:
        self.client = client
        self._jobs: dict[str, ReportedJob] = {}

    def job(self, job_id: str) -> ReportedJob:
        """Return a job; the first time, read it with its control layer."""
        if job_id not in self._jobs:
            job = self._read_job(job_id)
            self.read_items(job)
            self._jobs[job_id] = job
        return self._jobs[job_id]

    def running_job(self, job_id: str) -> ReportedJob | None:
        """Return a job unless it has ended; the items of a job not read before are still to be read."""
        job = self._jobs.get(job_id) or self._read_job(job_id)
        return None if job.ended else self._jobs.setdefault(job_id, job)

    def read_again(self, job: ReportedJob) -> None:
        """Update a job and its outcomes."""
        now = self._read_job(job.id)
        job.number_of_items, job.failure, job.started = now.number_of_items, now.failure, job.started or now.started
        # A dry run assumes that it has started the job.
        job.status = "in_progress" if now.status == "pending" and job.started else now.status
        self.read_items(job)

    def read_items(self, job: ReportedJob) -> None:
        """Update a job's outcomes from its control layer."""
        if job.status is None:
            return

        def request(token: Token) -> ApiRequest:
            params = {"limit": self.client.large_page, "after": token}
            return self._request("GET", f"/v3/export-jobs/{job.id}/items", params=params)

        pages = self.client.listing(request, _JOB_ITEMS.decode).pages()
        try:
            with as_list_error(f"export job items of export job {job.id}"), _unknown_job_has_ended(job.id):
                job.set_items((row.accounting_entry_id, row.outcome) for page in pages for row in page.records)
        except JobEnded:
            # It was deleted after its record was read.
            job.status = None

    def put(self, job_id: str, updates: Iterable[ItemUpdate]) -> ApiRequest:
        """Return the request that updates items of one job (``PUT /v3/export-jobs/{jobId}/items``)."""
        return self._request("PUT", f"/v3/export-jobs/{job_id}/items", body=[update.to_body() for update in updates])

    def post(self, event: JobEvent) -> ApiRequest:
        """Return the request that posts an event (``POST /v3/export-job-events``)."""
        return self._request("POST", "/v3/export-job-events", body=event.to_body())

    def _read_job(self, job_id: str) -> ReportedJob:
        """Read a job (``GET /v3/export-jobs/{jobId}``) without its items; an unknown job has no status."""
        try:
            with _unknown_job_has_ended(job_id):
                row = self.client.get(self._request("GET", f"/v3/export-jobs/{job_id}"), _decode_job)
        except JobEnded:
            return ReportedJob(job_id, None)
        except RequestRefused as refusal:
            raise JobRefused(job_id, refusal) from None
        job = ExportJob.from_row(row)
        if job.id.lower() != job_id:
            raise WrongJob(job_id, "an answer", job.id)
        return ReportedJob(job_id, job.status or "unknown", job.number_of_items, job.failure, job.started)

    def _request(
        self, method: str, path: str, *, params: dict[str, Any] | None = None, body: object = None
    ) -> ApiRequest:
        scope = READ_SCOPE if method == "GET" else WRITE_SCOPE
        return ApiRequest(method, self.client.api_url + path, params or {}, body=body, scope=scope)


def decode_response(body: bytes) -> UpdateResponse:
    """Decode the answer to an update; raise msgspec.MsgspecError if it is not such an answer."""
    return msgspec.json.decode(storable(body)[0], type=UpdateResponse)


def _decode_job(body: bytes) -> JobRow:
    return msgspec.json.decode(decode_single(body), type=JobRow)


@contextlib.contextmanager
def _unknown_job_has_ended(job_id: str) -> Iterator[None]:
    try:
        yield
    except RequestRefused as refusal:
        if refusal.status == HTTPStatus.NOT_FOUND and has_ended(refusal):
            raise JobEnded(job_id, f"{refusal.status}{refusal.detail}") from None
        raise
