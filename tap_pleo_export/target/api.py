"""Requests of the target: an export job, its control layer, updates of its items, events."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from tap_pleo_export.api.error_mapping import as_list_error, has_ended
from tap_pleo_export.api.errors import JobEnded, JobRefused, RequestRefused, WrongJob
from tap_pleo_export.api.jobs import ExportJob, JobRow
from tap_pleo_export.api.paging import PageDecoder, decode_single
from tap_pleo_export.api.request import ApiRequest
from tap_pleo_export.target.jobs import ItemOutcome, ReportedJob
from tap_pleo_export.text import storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_pleo_export.api.paging import Token
    from tap_pleo_export.api.pleo_api import PleoApi
    from tap_pleo_export.target.updates import ItemUpdate, JobEvent

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


@dataclass(frozen=True, slots=True)
class ReportingApi:
    """Reads jobs, and builds the requests that change them."""

    client: PleoApi

    def job(self, job_id: str) -> ReportedJob:
        """Read a job (``GET /v3/export-jobs/{jobId}``) without its items; the status of an unknown job is None.

        Raises:
            PleoError: It cannot be read.
        """
        try:
            job = self.client.get(self._request("GET", f"/v3/export-jobs/{job_id}"), _decode_job)
        except RequestRefused as refusal:
            if _is_unknown(refusal):
                return ReportedJob(job_id, None)
            raise JobRefused(job_id, refusal) from None
        if job.id.lower() != job_id:
            raise WrongJob(job_id, "an answer", job.id)
        return ReportedJob(job_id, job.status or "unknown", job.number_of_items, job.failure, job.started)

    def job_items(self, job_id: str) -> Iterator[tuple[str, ItemOutcome]]:
        """Read a job's control layer (``GET /v3/export-jobs/{jobId}/items``): entry ids and outcomes.

        Raises:
            JobEnded: Pleo no longer knows the job.
            PleoError: It cannot be read completely.
        """

        def request(token: Token) -> ApiRequest:
            params = {"limit": self.client.large_page, "after": token}
            return self._request("GET", f"/v3/export-jobs/{job_id}/items", params=params)

        with as_list_error(f"export job items of export job {job_id}"), _unknown_job_has_ended(job_id):
            for page in self.client.listing(request, _JOB_ITEMS.decode).pages():
                for row in page.records:
                    yield row.accounting_entry_id, row.outcome

    def put(self, job_id: str, updates: Iterable[ItemUpdate]) -> ApiRequest:
        """Return the request that updates items of one job (``PUT /v3/export-jobs/{jobId}/items``)."""
        body = [update.to_body() for update in updates]
        return self._request("PUT", f"/v3/export-jobs/{job_id}/items", body=body)

    def post(self, event: JobEvent) -> ApiRequest:
        """Return the request that posts an event (``POST /v3/export-job-events``)."""
        return self._request("POST", "/v3/export-job-events", body=event.to_body())

    def _request(
        self, method: str, path: str, *, params: dict[str, Any] | None = None, body: object = None
    ) -> ApiRequest:
        scope = READ_SCOPE if method == "GET" else WRITE_SCOPE
        return ApiRequest(method, self.client.api_url + path, params or {}, body=body, scope=scope)


def decode_response(body: bytes) -> UpdateResponse:
    """Decode the answer to an update.

    Raises:
        msgspec.MsgspecError: It is not such an answer.
    """
    return msgspec.json.decode(storable(body)[0], type=UpdateResponse)


def _decode_job(body: bytes) -> ExportJob:
    return ExportJob.from_row(msgspec.json.decode(decode_single(body), type=JobRow))


def _is_unknown(refusal: RequestRefused) -> bool:
    return refusal.status == HTTPStatus.NOT_FOUND and has_ended(refusal)


@contextlib.contextmanager
def _unknown_job_has_ended(job_id: str) -> Iterator[None]:
    try:
        yield
    except RequestRefused as refusal:
        if _is_unknown(refusal):
            raise JobEnded(job_id, f"{refusal.status}{refusal.detail}") from None
        raise
