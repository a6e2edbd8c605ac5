"""The streams, as declarations. Paths and fields are those of Pleo's Export API v3."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from singer_sdk import SchemaDirectory, StreamSchema

from tap_pleo_export.api import error_mapping as refusals
from tap_pleo_export.api.jobs import JOB_MEMBERS
from tap_pleo_export.singer.redaction import SECRETS
from tap_pleo_export.singer.schema_files import SCHEMA_FOLDER
from tap_pleo_export.tap.paged_stream import PagedStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context

    from tap_pleo_export.api.paging import Token
    from tap_pleo_export.singer.record_decoder import Page
    from tap_pleo_export.tap.source import Batch

SCHEMAS = SchemaDirectory(SCHEMA_FOLDER)


class ExportJobs(PagedStream):
    """Export jobs (``GET /v3/export-jobs``, schema ``ExportJobV3``), each with its computed expiry."""

    name = "export_jobs"
    path = "/v3/export-jobs"
    primary_keys = ("id",)
    schema = StreamSchema(SCHEMAS)
    oauth_scope = "export-jobs:read"
    members_read = JOB_MEMBERS
    members_computed = ("expiresAt",)

    def get_url_params(self, context: Context | None, next_page_token: Token) -> dict[str, Any]:
        """Ask for the jobs in the statuses, and of the company, that the settings name."""
        chosen = {"statuses": self.config["job_statuses"], "company_id": self.config.get("company_id")}
        return chosen | super().get_url_params(context, next_page_token)

    def fetch_job(self, job_id: str) -> Any:  # noqa: ANN401 - a record type made at run time
        """Return one job's record (``GET /v3/export-jobs/{jobId}``).

        Raises:
            JobError: Pleo does not know it, or refuses.
        """
        call = self.call_for(None, None)
        call = replace(call, url=f"{call.url}/{job_id}", params={})
        with refusals.of_job(job_id):
            return self.api.get(call, self.shape.decode_single)

    def batches(self, context: Context | None) -> Iterator[Batch]:  # noqa: ARG002 - there is one context
        """Yield all jobs of the run, oldest first."""
        return self._tap.reader.export_jobs()

    def child_contexts(self) -> Iterator[Context | None]:
        """Yield the jobs one after the other: one is read to its end before the next is begun."""
        for job in self._tap.reader.jobs_in_turn():
            yield self.get_child_context({"id": job.id}, None)

    def get_child_context(self, record: dict[str, Any], context: Context | None) -> Context | None:  # noqa: ARG002 - the SDK's signature
        """Return the context of a job's streams."""
        return {"jobId": record["id"]}


class ExportJobItems(PagedStream):
    """Export job items (``GET /v3/export-jobs/{jobId}/items``, schema ``ExportJobItemV3``): each item's status."""

    name = "export_job_items"
    path = "/v3/export-jobs/{jobId}/items"
    primary_keys = ("exportJobId", "accountingEntryId")
    schema = StreamSchema(SCHEMAS)
    oauth_scope = "export-jobs:read"
    parent_stream_type = ExportJobs
    members_read = {"exportJobId": str | None, "status": str | None}  # noqa: RUF012 - a declaration

    def batches(self, context: Context | None) -> Iterator[Batch]:
        """Yield the items of a job."""
        return self._tap.reader.export_job_items((context or {})["jobId"])


class ExportItems(PagedStream):
    """Export items (``GET /v3/export-items``, schema ``ExportItemV3``): the accounting payload, with job and status.

    Money is in cents of the stated currency.
    """

    name = "export_items"
    path = "/v3/export-items"
    primary_keys = ("jobId", "accountingEntryId")
    schema = StreamSchema(SCHEMAS)
    oauth_scope = "export-items:read"
    parent_stream_type = ExportJobs
    small_rows = False
    members_computed = ("jobId", "itemStatus")

    def get_url_params(self, context: Context | None, next_page_token: Token) -> dict[str, Any]:
        """Ask for the items of a job."""
        return {"job_id": (context or {})["jobId"]} | super().get_url_params(context, next_page_token)

    def decode_page(self, body: bytes) -> Page:
        """Return the page, and keep the bank details in it out of the logs."""
        SECRETS.learn_bank_details(body)
        return super().decode_page(body)

    def batches(self, context: Context | None) -> Iterator[Batch]:
        """Yield the items of a job, if it is readable and not complete yet."""
        return self._tap.reader.export_items((context or {})["jobId"])


# In the order in which they are synced: a job's items tell which of its export items to expect.
STREAMS: tuple[type[PagedStream], ...] = (ExportJobs, ExportJobItems, ExportItems)
