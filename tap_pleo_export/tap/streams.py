"""The streams, as declarations. Paths and fields are those of Pleo's Export API v3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from msgspec import Raw
from singer_sdk import SchemaDirectory, StreamSchema

from tap_pleo_export.api.errors import ItemUnusable, as_job_error
from tap_pleo_export.api.jobs import format_time
from tap_pleo_export.api.paging import decode_single
from tap_pleo_export.singer.record_decoder import UnusableRowError
from tap_pleo_export.singer.schema_files import SCHEMA_FOLDER
from tap_pleo_export.tap.job_reader import Batch
from tap_pleo_export.tap.stream import PleoStream

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Context

    from tap_pleo_export.api.jobs import ExportJob
    from tap_pleo_export.api.paging import Token
    from tap_pleo_export.singer.record_decoder import Record

SCHEMAS = SchemaDirectory(SCHEMA_FOLDER)


class ExportJobs(PleoStream):
    """Export jobs (``GET /v3/export-jobs``, schema ``ExportJobV3``), each with its computed expiry."""

    name = "export_jobs"
    path = "/v3/export-jobs"
    primary_keys = ("id",)
    schema = StreamSchema(SCHEMAS)
    oauth_scope = "export-jobs:read"
    members_read: ClassVar[Mapping[str, Any]] = {"status": str | None}
    members_computed = ("expiresAt",)

    def get_url_params(self, context: Context | None, next_page_token: Token) -> dict[str, Any]:
        """Ask for the jobs with the statuses, and of the company, in the settings."""
        chosen = {"statuses": self.config["job_statuses"], "company_id": self.config.get("company_id")}
        return chosen | super().get_url_params(context, next_page_token)

    def fetch_job(self, job_id: str) -> Record:
        """Return one job's record (``GET /v3/export-jobs/{jobId}``); raises ``JobError``."""
        listing = self.request_for(None, None)
        request = replace(listing, url=f"{listing.url}/{job_id}", params={})
        with as_job_error(job_id):
            row = self.api.get(request, decode_single)
        try:
            return self.decoder.decode_row(row)
        except UnusableRowError as error:
            raise ItemUnusable(job_id, "its record", [error.reason]) from None

    def batches(self, context: Context | None) -> Iterator[Batch]:  # noqa: ARG002 - there is one context
        """Yield all jobs of the run, oldest first."""
        yield Batch(list(map(with_expiry, self._tap.reader.jobs)))

    def child_contexts(self) -> Iterator[Context | None]:
        """Yield the jobs one after the other: each is read to its end before the next one."""
        reader = self._tap.reader
        for job in reader.jobs:
            yield self.get_child_context({"id": job.id}, None)
            self._tap.outcome.end_job(job.id)
            reader.settle(job)

    def get_child_context(self, record: dict[str, Any], context: Context | None) -> Context | None:  # noqa: ARG002 - the SDK's signature
        """Return the context of a job's streams."""
        return {"jobId": record["id"]}


def with_expiry(job: ExportJob) -> Record:
    """Return a job's record with ``expiresAt``."""
    expires_at = job.expires_at and format_time(job.expires_at)
    job.record.expiresAt = Raw(msgspec.json.encode(expires_at))
    return job.record


class ExportJobItems(PleoStream):
    """Export job items (``GET /v3/export-jobs/{jobId}/items``, schema ``ExportJobItemV3``): each item's status."""

    name = "export_job_items"
    path = "/v3/export-jobs/{jobId}/items"
    primary_keys = ("exportJobId", "accountingEntryId")
    schema = StreamSchema(SCHEMAS)
    oauth_scope = "export-jobs:read"
    parent_stream_type = ExportJobs
    members_read: ClassVar[Mapping[str, Any]] = {"exportJobId": str | None, "status": str | None}

    def batches(self, context: Context | None) -> Iterator[Batch]:
        """Return the items of a job."""
        reader = self._tap.reader
        return reader.job_reader((context or {})["jobId"]).job_items(ahead=reader.reads_export_items)


class ExportItems(PleoStream):
    """Export items (``GET /v3/export-items``, schema ``ExportItemV3``): the accounting payload, with job and status.

    Money is in cents of the stated currency.
    """

    name = "export_items"
    path = "/v3/export-items"
    primary_keys = ("jobId", "accountingEntryId")
    schema = StreamSchema(SCHEMAS)
    oauth_scope = "export-items:read"
    parent_stream_type = ExportJobs
    large_pages = False
    members_computed = ("jobId", "itemStatus")

    def get_url_params(self, context: Context | None, next_page_token: Token) -> dict[str, Any]:
        """Ask for the items of a job."""
        return {"job_id": (context or {})["jobId"]} | super().get_url_params(context, next_page_token)

    def batches(self, context: Context | None) -> Iterator[Batch]:
        """Return the items of a job, if it is readable and not complete yet."""
        return self._tap.reader.job_reader((context or {})["jobId"]).export_items()


# In the order in which they are synced: a job's items come before its export items, which they announce.
STREAMS: tuple[type[PleoStream], ...] = (ExportJobs, ExportJobItems, ExportItems)
