"""What the connector adds to Pleo's records: the one step that changes a record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from tap_pleo_export.api.jobs import format_time

if TYPE_CHECKING:
    from tap_pleo_export.api.jobs import ExportJob

_encode = msgspec.json.Encoder().encode


def complete_job(job: ExportJob) -> Any:  # noqa: ANN401 - a record type made at run time
    """Add ``expiresAt`` to an export job's record."""
    job.record.expiresAt = Raw(_encode(job.expires_at and format_time(job.expires_at)))
    return job.record


def complete_job_item(record: Any, job_id: str) -> Any:  # noqa: ANN401 - a record type made at run time
    """Add ``exportJobId`` to a job item if Pleo left it out: it is in the key."""
    if not isinstance(record.exportJobId, str):
        record.exportJobId = job_id
    return record


def complete_export_item(record: Any, job_id: Raw, status: str | None) -> Any:  # noqa: ANN401 - a record type made at run time
    """Add ``jobId``, as JSON, and ``itemStatus``, the status of its job item, to an export item."""
    record.jobId = job_id
    record.itemStatus = status
    return record
