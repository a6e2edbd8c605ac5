"""The tap's own way from a page's bytes to RECORD lines, without requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from msgspec import Raw

from tap_pleo_export.api.jobs import ExportJob
from tap_pleo_export.singer.record_decoder import ADDITIONAL_FIELDS, encode
from tap_pleo_export.tap.batch_stream import RecordLine
from tap_pleo_export.tap.plugin import TapPleoExport
from tap_pleo_export.tap.records import complete_export_item, complete_job, complete_job_item
from tests.helpers.document import encode as to_json
from tests.helpers.document import stored
from tests.helpers.mapper import EXTRACTED, JOB

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_pleo_export.tap.paged_stream import PagedStream

# Nobody listens there, and nothing is asked for.
_SETTINGS = {"api_url": "http://127.0.0.1:9", "api_key": "none"}
_COMPLETE: dict[str, Callable[[Any], Any]] = {
    "export_jobs": lambda record: complete_job(ExportJob.from_record(record)),
    "export_job_items": lambda record: complete_job_item(record, JOB),
    "export_items": lambda record: complete_export_item(record, Raw(encode(JOB)), "pending"),
}


def streams() -> dict[str, PagedStream]:
    """Return the streams of a tap that has read nothing."""
    return cast("dict[str, PagedStream]", dict(TapPleoExport(config=_SETTINGS).streams))


def decode(stream: PagedStream, rows: Sequence[dict[str, Any]]) -> list[Any]:
    """Return what the stream makes of a page of these rows, none of which may be unusable."""
    page = stream.shape.decode_page(to_json({"data": list(rows), "pagination": {"hasNextPage": False}}))
    assert page.unusable == []
    return page.records


def kept(stream: PagedStream, row: dict[str, Any]) -> dict[str, Any]:
    """Return what a record must hold of a row, all of it: declared members, and the others in `additionalFields`."""
    known = stream.schema["properties"].keys() - {*stream.members_computed, ADDITIONAL_FIELDS}
    new = {name: member for name, member in row.items() if name not in known}
    declared = {name: member for name, member in row.items() if name in known}
    whole: dict[str, Any] = stored(declared | ({ADDITIONAL_FIELDS: new} if new else {}))
    return whole


def written(stream: PagedStream, rows: Sequence[dict[str, Any]]) -> list[bytes]:
    """Return the rows as the records that the tap writes, each as JSON."""
    return [encode(_COMPLETE[stream.name](record)) for record in decode(stream, rows)]


def lines(stream: PagedStream, rows: Sequence[dict[str, Any]]) -> list[bytes]:
    """Return the rows as the RECORD lines that the tap writes."""
    complete = _COMPLETE[stream.name]
    messages = (RecordLine("RECORD", stream.name, complete(record), EXTRACTED) for record in decode(stream, rows))
    return [encode(message) + b"\n" for message in messages]
