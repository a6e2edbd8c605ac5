"""Requests of the target: an export job, its control layer, updates of its items, events."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Raw

from tap_pleo_export.api.error_mapping import has_ended, of_list
from tap_pleo_export.api.errors import JobEnded, JobRefused, RequestRefused, WrongJob
from tap_pleo_export.api.paging import CursorPaginator, walk
from tap_pleo_export.api.request import ApiRequest
from tap_pleo_export.singer.record_decoder import Page, PageInfo, whole_number
from tap_pleo_export.target.jobs import ItemOutcome, ReportedJob
from tap_pleo_export.text import storable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_pleo_export.api.paging import Token
    from tap_pleo_export.api.pleo_api import PleoApi
    from tap_pleo_export.api.request import ApiResponse
    from tap_pleo_export.target.updates import ItemUpdate, JobEvent

T = TypeVar("T")
READ_SCOPE = "export-jobs:read"
WRITE_SCOPE = "export-jobs:write"


class JobRecord(msgspec.Struct, rename="camel"):
    """Members read of an export job (OpenAPI schema ``ExportJobV3``)."""

    id: str
    status: str | None
    number_of_items: Raw = Raw(b"null")
    failure_reason_type: Any = None
    started_at: Any = None


class JobItem(msgspec.Struct, rename="camel"):
    """Members read of an export job item (OpenAPI schema ``ExportJobItemV3``)."""

    accounting_entry_id: str
    status: str | None = None
    external_id: Any = None

    @property
    def outcome(self) -> ItemOutcome:
        """Its outcome."""
        return ItemOutcome(self.status, _text(self.external_id))


class UpdateError(msgspec.Struct, rename="camel"):
    """An update refused by Pleo (OpenAPI schema ``ExportJobItemUpdateErrorV3``)."""

    accounting_entry_id: str
    type: str | None = None
    message: str | None = None


class UpdateResponse(msgspec.Struct):
    """Result of each update (OpenAPI schema ``ExportJobItemUpdateV3``)."""

    data: list[JobItem]
    errors: list[UpdateError] | None = None


class _Single(msgspec.Struct):
    data: JobRecord


class _JobItems(msgspec.Struct):
    data: list[JobItem]
    pagination: Raw


@dataclass(frozen=True, slots=True)
class ReportingApi:
    """Reads jobs, and builds the requests that change them."""

    client: PleoApi

    def job(self, job_id: str) -> ReportedJob:
        """Read a job (``GET /v3/export-jobs/{jobId}``) without its items; its status is None if Pleo does not know it.

        Raises:
            PleoError: It cannot be read.
        """
        try:
            record = self.client.get(self._request("GET", f"/v3/export-jobs/{job_id}"), decoder(_Single)).data
        except RequestRefused as refusal:
            if _is_unknown(refusal):
                return ReportedJob(job_id, None)
            raise JobRefused(job_id, refusal) from None
        if record.id.lower() != job_id:
            raise WrongJob(job_id, "an answer", record.id)
        return ReportedJob(
            job_id,
            record.status or "unknown",
            whole_number(record.number_of_items),
            _text(record.failure_reason_type),
            started=record.started_at is not None,
        )

    def job_items(self, job_id: str) -> Iterator[tuple[str, ItemOutcome]]:
        """Read a job's control layer (``GET /v3/export-jobs/{jobId}/items``): entry ids and outcomes.

        Raises:
            JobEnded: Pleo no longer knows the job.
            PleoError: It cannot be read completely.
        """
        listing = _ControlLayer(self, f"/v3/export-jobs/{job_id}/items")
        with of_list(f"export job items of export job {job_id}"), _of_job(job_id):
            for page in walk(listing, CursorPaginator()):
                for row in page.records:
                    yield row.accounting_entry_id, row.outcome

    def put(self, job_id: str, updates: Iterable[ItemUpdate]) -> ApiRequest:
        """Return the request that updates items of one job (``PUT /v3/export-jobs/{jobId}/items``)."""
        body = [update.to_body() for update in updates]
        return self._request("PUT", f"/v3/export-jobs/{job_id}/items", body=body)

    def post(self, event: JobEvent) -> ApiRequest:
        """Return the request that posts an event (``POST /v3/export-job-events``)."""
        return self._request("POST", "/v3/export-job-events", body=event.to_body())

    def page(self, path: str, after: Token) -> ApiRequest:
        """Return the request for a page of a control layer."""
        return self._request("GET", path, params={"limit": self.client.large_page, "after": after})

    def _request(self, method: str, path: str, **request: Any) -> ApiRequest:  # noqa: ANN401 - of ApiRequest
        scope = READ_SCOPE if method == "GET" else WRITE_SCOPE
        return ApiRequest(method, self.client.api_url + path, scope=scope, **request)


@dataclass(frozen=True, slots=True)
class _ControlLayer:
    """The pages of a job's control layer."""

    api: ReportingApi
    path: str

    def fetch(self, token: Token) -> ApiResponse:
        client = self.api.client
        limit = client.large_page
        try:
            return client.send(self.api.page(self.path, token))
        except RequestRefused as refusal:
            if refusal.status != HTTPStatus.BAD_REQUEST or not client.reduce_page_size(limit):
                raise
        return client.send(self.api.page(self.path, token))

    def read(self, answer: ApiResponse) -> Page:
        return self.api.client.read(answer, _page)

    def ids(self, page: Page) -> Iterable[str]:
        return (row.accounting_entry_id for row in page.records)


def decoder(kind: type[T]) -> Callable[[bytes], T]:
    """Return a function that decodes a body to a type."""

    def decode(body: bytes) -> T:
        text, _ = storable(body)
        return msgspec.json.decode(text, type=kind)

    return decode


def _page(body: bytes) -> Page:
    decoded = decoder(_JobItems)(body)
    return Page(decoded.data, PageInfo.read(decoded.pagination))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _is_unknown(refusal: RequestRefused) -> bool:
    return refusal.status == HTTPStatus.NOT_FOUND and has_ended(refusal)


@contextlib.contextmanager
def _of_job(job_id: str) -> Iterator[None]:
    try:
        yield
    except RequestRefused as refusal:
        if _is_unknown(refusal):
            raise JobEnded(job_id, f"{refusal.status}{refusal.detail}") from None
        raise
