"""The target's sinks: which streams it takes, what their records must be, and where they go."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import jsonschema_rs
from jsonschema_rs import ValidationErrorKind as Kind
from singer_sdk.sinks import RecordSink

from tap_pleo_export.api.jobs import PLAIN_UUID, format_time, parse_time
from tap_pleo_export.singer.schema_files import shipped
from tap_pleo_export.target.updates import TRY_AGAIN, ItemUpdate, JobEvent
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_pleo_export.target.reporter import Reporter

STREAMS_FILE = "report_streams.json"
SDK_MEMBERS = "_sdc_"
TIMES = ("exportedAt",)


class ReportingTarget(Protocol):
    """What a sink needs of its target."""

    reporter: Reporter

    def refused(self) -> None:
        """Count a record that is refused unsent."""


class ReportingSink(RecordSink):
    """A stream of the target: its name, its records' schema (`schemas/report_streams.json`), what becomes of them."""

    name: ClassVar[str]
    named_by: ClassVar[dict[str, str]]
    """The members that name a record in a message, with their titles."""

    def __init__(self, target: Any, **sink: Any) -> None:  # noqa: ANN401 - the SDK's arguments
        super().__init__(target, **sink)
        self._reporting: ReportingTarget = target
        self._rules = jsonschema_rs.Draft202012Validator(self.declared())
        self._unknown: set[str] = set()

    @classmethod
    def declared(cls) -> dict[str, Any]:
        """Return the JSON Schema of the records, as they are once null and "" are taken out."""
        streams = shipped(STREAMS_FILE)
        return {**streams[cls.name], "$defs": streams["$defs"]}

    def get_validator(self) -> None:
        """No validation by the SDK: it takes half a millisecond a record, and its lines quote values."""

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Hand a record on, or refuse it in one line.

        Args:
            record: As it came.
            context: `line`: where it stood in the input.
        """
        known = self._known(record)
        problems = [*_problems(self._rules, known), *_time_problems(known)]
        if problems:
            self.logger.error(
                "Line %d: %s: %s, so it is not sent. %s",
                context["line"],
                ", ".join(f"{title} {_id(known.get(name))}" for name, title in self.named_by.items()),
                "; ".join(dict.fromkeys(problems)),
                TRY_AGAIN,
            )
            self._reporting.refused()
            return
        job_id = known.pop("jobId").lower()
        for name in TIMES:
            if name in known:
                known[name] = format_time(parse_time(known[name]))  # type: ignore[arg-type] # checked above
        self.report(job_id, known, context["line"])

    @abc.abstractmethod
    def report(self, job_id: str, members: dict[str, str], line: int) -> None:
        """Report a record that is as it must be."""

    def _known(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return what a record says: null and "" say nothing, members that no schema has are named once."""
        declared = self.declared_members()
        for name in record.keys() - declared:
            if not name.startswith(SDK_MEMBERS) and name not in self._unknown:
                self._unknown.add(name)
                self.logger.warning("Member '%s' of '%s' is unknown and not sent", one_line(name), self.name)
        return {name: value for name, value in record.items() if name in declared and value is not None and value != ""}

    @classmethod
    def declared_members(cls) -> set[str]:
        """Return the members that a record may have."""
        return set(cls.declared()["properties"])


class ExportJobItemUpdates(ReportingSink):
    """Outcomes of export job items (contents of OpenAPI schema ``UpdateExportJobItemV3``)."""

    name = "export_job_item_updates"
    named_by: ClassVar[dict[str, str]] = {"jobId": "export job", "accountingEntryId": "item"}

    def report(self, job_id: str, members: dict[str, str], line: int) -> None:
        """Report the outcome of an item."""
        entry_id, status = members.pop("accountingEntryId"), members.pop("status")
        self._reporting.reporter.update(ItemUpdate(job_id, entry_id, status, members, line))  # type: ignore[arg-type] # one of the two


class ExportJobEvents(ReportingSink):
    """Events of export jobs (contents of OpenAPI schema ``CreateExportJobEvent``)."""

    name = "export_job_events"
    named_by: ClassVar[dict[str, str]] = {"jobId": "export job", "event": "event"}

    def report(self, job_id: str, members: dict[str, str], line: int) -> None:
        """Report an event."""
        self._reporting.reporter.event(JobEvent(job_id, members.pop("event"), members, line))


SINKS = (ExportJobItemUpdates, ExportJobEvents)
"""The streams that the target takes."""


def _problems(validator: jsonschema_rs.Draft202012Validator, record: dict[str, Any]) -> Iterator[str]:
    """Yield which members are at fault, and how; values are not quoted."""
    errors = list(validator.iter_errors(record))
    # While the status itself is at fault, nobody knows which reasons belong to it.
    plain = [error for error in errors if error.schema_path[0] not in {"then", "else"}]
    for error in plain or errors:
        place = f"'{error.instance_path[0]}'" if error.instance_path else ""
        match error.kind:
            case Kind.Required(property=name):
                yield f"'{name}' is missing" + ("" if plain else ": it belongs to 'failed'")
            case Kind.FalseSchema():
                yield f"{place} belongs to 'failed' only"
            case Kind.Enum(options=options):
                yield f"{place} is none of {', '.join(map(str, options))}"
            case Kind.Pattern():
                yield f"{place} is no UUID"
            case _:
                yield f"{place} is no text"


def _time_problems(record: dict[str, Any]) -> Iterator[str]:
    for name in TIMES:
        if isinstance(record.get(name), str) and parse_time(record[name]) is None:
            yield f"'{name}' is no time like 2026-01-31T12:00:00Z"


def _id(value: object) -> str:
    """Return an id for a message; of what is none nothing is shown."""
    shown = isinstance(value, str) and (PLAIN_UUID.fullmatch(value) or value.isidentifier())
    return one_line(str(value)) if shown else "unknown"
