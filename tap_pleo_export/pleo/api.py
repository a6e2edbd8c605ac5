"""The endpoints of the Export API v3 that the connector reads, and what their refusals mean for a job."""

from __future__ import annotations

import contextlib
import functools
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from tap_pleo_export.pleo.background import BackgroundCalls
from tap_pleo_export.pleo.errors import (
    ContraAccountsMissing,
    CursorRejected,
    ItemUnusable,
    JobEnded,
    JobError,
    JobListUnusable,
    JobRefused,
    JobUnavailable,
    PagingBroken,
    PleoUnavailable,
    RequestRefused,
)
from tap_pleo_export.pleo.pages import CursorStuckError, ReadAhead, Start, WalkAhead, walk
from tap_pleo_export.records.shape import Page, UnusableRowError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Sequence

    from tap_pleo_export.pleo.client import PleoClient
    from tap_pleo_export.records.shape import RecordShape

JOBS = "/v3/export-jobs"
EXPORT_ITEMS = "/v3/export-items"
# Pleo documents no largest page; this is asked for where pages are light.
LARGE_PAGE = 1000
MOST_HALVINGS = 8
CONTRA_ACCOUNTS = "MISSING_CONTRA_ACCOUNTS"


class ExportApi:
    """Pages of jobs, job items and export items.

    Args:
        client: Sends the requests.
        page_size: ``limit`` of export item pages, and of the others if Pleo refuses large ones.
        concurrency: Page requests of one job in flight; halved each time that Pleo throttles.
        logger: Told when pages cannot be read ahead.
    """

    def __init__(self, client: PleoClient, page_size: int, concurrency: int, logger: logging.Logger) -> None:
        self._client = client
        self.page_size = page_size
        self._concurrency = concurrency
        self._logger = logger
        self._large_page = LARGE_PAGE
        self._background = BackgroundCalls(concurrency)

    def jobs(self, shape: RecordShape, statuses: Sequence[str], company_id: str | None) -> Iterator[Page]:
        """Yield pages of the jobs in the given statuses (``getExportJobsListV3``).

        Raises:
            FatalError: The list cannot be read.
        """
        query = {"statuses": list(statuses), "company_id": company_id}
        try:
            yield from walk(lambda **place: self._large(JOBS, query | place, shape), Start())
        except (CursorStuckError, RequestRefused) as error:
            raise JobListUnusable(str(error)) from None

    def job(self, shape: RecordShape, job_id: str) -> Any:  # noqa: ANN401 - a record type made at run time
        """Return one job (``getExportJobByIdV3``).

        Raises:
            JobError: Pleo does not know it, or refuses.
        """

        def decode(body: bytes) -> Any:  # noqa: ANN401 - a record type made at run time
            return shape.decode_record(msgspec.json.decode(body, type=DataResponse).data)

        with _concerning(job_id):
            return self._client.get(f"{JOBS}/{job_id}", {}, decode)

    def job_items(self, shape: RecordShape, job_id: str) -> Iterator[Page]:
        """Yield pages of a job's control layer (``getExportJobItemsV3``).

        Raises:
            JobError: They cannot be read to the end.
        """
        with _concerning(job_id):
            yield from WalkAhead(
                lambda **place: self._large(f"{JOBS}/{job_id}/items", place, shape), Start(), self._ahead(job_id)
            )

    def export_items_ahead(self, shape: RecordShape, job_id: str, start: Start) -> WalkAhead:
        """Return a walk over a job's data layer that may begin before its pages are wanted."""
        return WalkAhead(functools.partial(self._export_items_page, shape, job_id), start, self._ahead(job_id))

    def export_items(
        self, shape: RecordShape, job_id: str, start: Start, *, in_turn: bool = False, begun: WalkAhead | None = None
    ) -> Iterator[Page]:
        """Yield pages of a job's data layer (``getExportItemsV3``).

        Args:
            shape: The records' shape.
            job_id: The job.
            start: Where to start.
            in_turn: Ask for each page only after the one before.
            begun: A walk from there that has begun, see :meth:`export_items_ahead`.

        Raises:
            CursorRejected: Pleo does not accept a cursor; the job may be read from its first page.
            JobError: They cannot be read to the end.
        """
        with _concerning(job_id):
            if in_turn:
                yield from walk(functools.partial(self._export_items_page, shape, job_id), start)
            else:
                yield from begun or self.export_items_ahead(shape, job_id, start)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _width(self) -> int:
        return max(1, self._concurrency >> min(self._client.throttled, MOST_HALVINGS))

    def _ahead(self, job_id: str) -> ReadAhead:
        def warn(reason: str) -> None:
            self._logger.warning("Export job %s: pages are read in turn from here on: %s", job_id, reason)

        return ReadAhead(
            submit=self._background.submit,
            width=self._width,
            ids=lambda page: [record.accountingEntryId for record in page.records],
            warn=warn,
        )

    def _export_items_page(
        self, shape: RecordShape, job_id: str, *, after: str | None = None, offset: int | None = None
    ) -> Callable[[], Page]:
        query = {"job_id": job_id, "limit": self.page_size, "after": after, "offset": offset}
        with _judging(job_id, after):
            decode = self._client.ask(EXPORT_ITEMS, query, shape.decode_page)

        def page() -> Page:
            with _judging(job_id, after):
                return decode()

        return page

    def _large(self, path: str, query: dict[str, Any], shape: RecordShape) -> Callable[[], Page]:
        """Fetch a page as large as Pleo lets us have."""
        limit = self._large_page
        try:
            return self._client.ask(path, query | {"limit": limit}, shape.decode_page)
        except RequestRefused as refusal:
            if refusal.status != HTTPStatus.BAD_REQUEST or limit <= self.page_size:
                raise
        self._large_page = self.page_size
        return self._client.ask(path, query | {"limit": self.page_size}, shape.decode_page)


class DataResponse(msgspec.Struct):
    """A single object's envelope (OpenAPI schema ``DataResponseExportJobV3``)."""

    data: msgspec.Raw


@contextlib.contextmanager
def _judging(job_id: str, cursor: str | None) -> Iterator[None]:
    """Tell a refused cursor from other refusals."""
    try:
        yield
    except RequestRefused as refusal:
        about_cursor = refusal.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.GONE}
        if cursor is not None and about_cursor and refusal.type != CONTRA_ACCOUNTS:
            raise CursorRejected(job_id, refusal) from None
        raise


@contextlib.contextmanager
def _concerning(job_id: str) -> Iterator[None]:
    """Turn failures of one job's requests into that job's failures."""
    try:
        yield
    except CursorStuckError as error:
        raise PagingBroken(job_id, str(error)) from None
    except UnusableRowError as error:
        raise ItemUnusable(job_id, "its record", [str(error)]) from None
    except PleoUnavailable as error:
        raise JobUnavailable(job_id, error) from None
    except RequestRefused as refusal:
        raise _job_error(job_id, refusal) from None


def _job_error(job_id: str, refusal: RequestRefused) -> JobError:
    if refusal.status in {HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}:
        return JobEnded(job_id, f"{refusal.status}{refusal.detail}")
    if refusal.status == HTTPStatus.BAD_REQUEST and refusal.type == CONTRA_ACCOUNTS:
        return ContraAccountsMissing(job_id, refusal.message)
    return JobRefused(job_id, refusal)
