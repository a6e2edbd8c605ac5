"""From a page's bytes to RECORD lines, without requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from msgspec import Raw

from tap_pleo_export.api.jobs import ExportJob
from tap_pleo_export.api.paging import Page, PageDecoder
from tap_pleo_export.singer.field_drift import DriftWatch
from tap_pleo_export.singer.record_decoder import ADDITIONAL_FIELDS, RecordDecoder, encode
from tap_pleo_export.tap.plugin import TapPleoExport
from tap_pleo_export.tap.stream import PleoStream, RecordLine
from tap_pleo_export.tap.streams import with_expiry
from tests.helpers.document import encode as to_json
from tests.helpers.document import stored
from tests.helpers.mapper import EXTRACTED, JOB

# Nothing is requested.
_SETTINGS = {"api_url": "http://127.0.0.1:9", "api_key": "none"}


def _complete(stream: PleoStream, record: Any) -> Any:
    """Add the members that the tap computes."""
    match stream.name:
        case "export_jobs":
            return with_expiry(ExportJob.from_row(record))
        case "export_job_items" if not isinstance(record.exportJobId, str):
            record.exportJobId = JOB
        case "export_items":
            record.jobId, record.itemStatus = Raw(encode(JOB)), "pending"
    return record


class PageReader(RecordDecoder):
    """A decoder of whole pages, as a stream has it."""

    def __init__(self, schema: Mapping[str, Any], *, drift: DriftWatch, **options: Any) -> None:
        super().__init__(schema, drift=drift, **options)
        self.drift = drift
        self._page_decoder: PageDecoder[Any] = PageDecoder(self.record_type, self.decode_row)

    def decode_page(self, body: bytes) -> Page[Any]:
        page = self._page_decoder.decode(body)
        self.drift.replaced(page.replaced)
        self.drift.inspect(page.records)
        return page


def streams() -> dict[str, PleoStream]:
    """Return the streams of a tap that has read nothing."""
    return cast("dict[str, PleoStream]", dict(TapPleoExport(config=_SETTINGS).streams))


def decode(stream: PleoStream, rows: Sequence[dict[str, Any]]) -> list[Any]:
    """Return the records of a page of these rows, none of which may be unusable."""
    page = stream.decode_page(to_json({"data": list(rows), "pagination": {"hasNextPage": False}}))
    assert page.unusable == []
    return page.records


def kept(stream: PleoStream, row: dict[str, Any]) -> dict[str, Any]:
    """Return the expected record of a row: declared members, and the others in `additionalFields`."""
    known = stream.schema["properties"].keys() - {*stream.members_computed, ADDITIONAL_FIELDS}
    new = {name: member for name, member in row.items() if name not in known}
    declared = {name: member for name, member in row.items() if name in known}
    whole: dict[str, Any] = stored(declared | ({ADDITIONAL_FIELDS: new} if new else {}))
    return whole


def written(stream: PleoStream, rows: Sequence[dict[str, Any]]) -> list[bytes]:
    """Return the rows as the records that the tap writes, each as JSON."""
    return [encode(_complete(stream, record)) for record in decode(stream, rows)]


def lines(stream: PleoStream, rows: Sequence[dict[str, Any]]) -> list[bytes]:
    """Return the rows as the RECORD lines that the tap writes."""
    messages = (
        RecordLine("RECORD", stream.name, _complete(stream, record), EXTRACTED) for record in decode(stream, rows)
    )
    return [encode(message) + b"\n" for message in messages]
