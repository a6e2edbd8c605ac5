"""The requests of reporting: a job, its control layer, updates of its items, events."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Raw

from tap_pleo_export.api.error_mapping import as_list_error, has_ended
from tap_pleo_export.api.errors import JobEnded, RequestRefused, WrongJob
from tap_pleo_export.api.paging import PageDecoder, whole_number
from tap_pleo_export.api.request import ApiRequest
from tap_pleo_export.target.job import Known, ReportedJob
from tap_pleo_export.text import storable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_pleo_export.api.paging import Token
    from tap_pleo_export.api.pleo_api import PleoApi
    from tap_pleo_export.target.updates import ItemUpdate, JobEvent

T = TypeVar("T")
READ_SCOPE = "export-jobs:read"
WRITE_SCOPE = "export-jobs:write"


class Job(msgspec.Struct, rename="camel"):
    """As much of an export job as is needed (OpenAPI schema ``ExportJobV3``)."""

    id: str
    status: str | None
    number_of_items: Raw = Raw(b"null")
    failure_reason_type: Any = None
    started_at: Any = None


class JobItem(msgspec.Struct, rename="camel"):
    """As much of an export job item as is needed (OpenAPI schema ``ExportJobItemV3``)."""

    accounting_entry_id: str
    status: str | None = None
    external_id: Any = None

    @property
    def known(self) -> Known:
        """What it says."""
        return Known(self.status, self.external_id if isinstance(self.external_id, str) and self.external_id else None)


class UpdateError(msgspec.Struct, rename="camel"):
    """An update that Pleo refused (OpenAPI schema ``ExportJobItemUpdateErrorV3``)."""

    accounting_entry_id: str
    type: str | None = None
    message: str | None = None


class UpdateAnswer(msgspec.Struct):
    """What became of each update (OpenAPI schema ``ExportJobItemUpdateV3``)."""

    data: list[JobItem]
    errors: list[UpdateError] | None = None


class _Single(msgspec.Struct):
    data: Job


_JOB_ITEMS: PageDecoder[JobItem] = PageDecoder(JobItem)


@dataclass(frozen=True, slots=True)
class ReportingApi:
    """Pleo's side of reporting.

    Attributes:
        connection: What all requests share.
        headers: Headers of each request besides its signature.
        timeout: Seconds for a whole request.
    """

    connection: PleoApi
    headers: dict[str, str]
    timeout: float

    def job(self, job_id: str) -> ReportedJob:
        """Read a job (``GET /v3/export-jobs/{jobId}``), without its items.

        Raises:
            PleoError: It cannot be read; a job that Pleo does not know is none of it.
        """
        try:
            found = self._get(f"/v3/export-jobs/{job_id}", _decoded_as(_Single)).data
        except RequestRefused as refusal:
            if _is_unknown(refusal):
                return ReportedJob(job_id, None)
            raise
        if found.id.lower() != job_id:
            raise WrongJob(job_id, "an answer", found.id)
        failure = found.failure_reason_type if isinstance(found.failure_reason_type, str) else None
        return ReportedJob(
            job_id,
            found.status or "unknown",
            whole_number(found.number_of_items),
            failure,
            started=found.started_at is not None,
        )

    def job_items(self, job_id: str) -> Iterator[tuple[str, Known]]:
        """Read a job's control layer (``GET /v3/export-jobs/{jobId}/items``): entry ids, and what Pleo has of them.

        Raises:
            JobEnded: Pleo no longer knows the job.
            PleoError: It cannot be read to its end.
        """
        path = f"/v3/export-jobs/{job_id}/items"

        def request(token: Token) -> ApiRequest:
            return self.call("GET", path, READ_SCOPE, params={"limit": self.connection.large_page, "after": token})

        listing = self.connection.listing(request, _JOB_ITEMS.decode)
        with as_list_error(f"export job items of export job {job_id}"), _of_job(job_id):
            for page in listing.pages():
                for row in page.records:
                    yield row.accounting_entry_id, row.known

    def update(self, job_id: str, updates: Iterable[ItemUpdate]) -> UpdateAnswer:
        """Send updates of one job's items (``PUT /v3/export-jobs/{jobId}/items``).

        Raises:
            OutcomeUnknown: Nobody knows what took effect.
            RequestRefused: Nothing did.
            FatalError: Nothing can be sent.
        """
        body = [update.to_body() for update in updates]
        return self._send("PUT", f"/v3/export-jobs/{job_id}/items", body, _decoded_as(UpdateAnswer))

    def post(self, event: JobEvent) -> None:
        """Send an event (``POST /v3/export-job-events``); raises as :meth:`update`."""
        # Whatever the body says, there is nothing to be read in it.
        self._send("POST", "/v3/export-job-events", event.to_body(), lambda _: None)

    def _get(self, path: str, decode: Callable[[bytes], T], **params: object) -> T:
        return self.connection.get(self.call("GET", path, READ_SCOPE, params=params), decode)

    def _send(self, method: str, path: str, body: object, decode: Callable[[bytes], T]) -> T:
        return self.connection.get(self.call(method, path, WRITE_SCOPE, body=body), decode)

    def call(
        self,
        method: str,
        path: str,
        scope: str,
        *,
        params: dict[str, Any] | None = None,
        body: Any = None,  # noqa: ANN401 - any JSON value
    ) -> ApiRequest:
        """Return a request."""
        url = self.connection.api_url + path
        return ApiRequest(method, url, params or {}, self.headers, body, timeout=self.timeout, scope=scope)


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


def _decoded_as(kind: type[T]) -> Callable[[bytes], T]:
    def decode(body: bytes) -> T:
        text, _ = storable(body)
        return msgspec.json.decode(text, type=kind)

    return decode
