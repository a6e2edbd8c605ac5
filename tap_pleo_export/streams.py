"""The streams, as declarations. Paths and fields are those of Pleo's Export API v3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from singer_sdk import SchemaDirectory, StreamSchema

from tap_pleo_export.paged_stream import PagedStream
from tap_pleo_export.reading.jobs import JOB_MEMBERS
from tap_pleo_export.schemas import SCHEMA_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_pleo_export.reading.reader import Batch

SCHEMAS = SchemaDirectory(SCHEMA_FOLDER)


class ExportJobs(PagedStream):
    """Export jobs (``GET /v3/export-jobs``, schema ``ExportJobV3``), each with its computed expiry."""

    name = "export_jobs"
    primary_keys = ("id",)
    schema = StreamSchema(SCHEMAS)
    keys_read = ("id",)
    members_read = JOB_MEMBERS
    members_computed = ("expiresAt",)

    def batches(self) -> Iterator[Batch]:
        """Yield all jobs of the run, oldest first."""
        return self._tap.reader.export_jobs()


class ExportJobItems(PagedStream):
    """Export job items (``GET /v3/export-jobs/{jobId}/items``, schema ``ExportJobItemV3``): each item's status."""

    name = "export_job_items"
    primary_keys = ("exportJobId", "accountingEntryId")
    schema = StreamSchema(SCHEMAS)
    keys_read = ("accountingEntryId",)
    members_read = {"exportJobId": str | None, "status": str | None}  # noqa: RUF012 - a declaration

    def batches(self) -> Iterator[Batch]:
        """Yield the items of every job of the run."""
        return self._tap.reader.export_job_items()


class ExportItems(PagedStream):
    """Export items (``GET /v3/export-items``, schema ``ExportItemV3``): the accounting payload, with job and status.

    Money is in cents of the stated currency.
    """

    name = "export_items"
    primary_keys = ("jobId", "accountingEntryId")
    schema = StreamSchema(SCHEMAS)
    keys_read = ("accountingEntryId",)
    members_computed = ("jobId", "itemStatus")

    def batches(self) -> Iterator[Batch]:
        """Yield the items of every readable job that is not complete yet."""
        return self._tap.reader.export_items()


# In the order in which they are synced: the job items tell which export items to expect.
STREAMS: tuple[type[PagedStream], ...] = (ExportJobs, ExportJobItems, ExportItems)
