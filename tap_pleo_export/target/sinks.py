"""The target's sinks: the streams it accepts, checks of their records, and where the records go."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, ClassVar

import jsonschema_rs
from jsonschema_rs import ValidationErrorKind as Kind
from singer_sdk.sinks import RecordSink

from tap_pleo_export.api.jobs import PLAIN_UUID, format_time, parse_time
from tap_pleo_export.singer.schema_files import shipped
from tap_pleo_export.target.updates import ItemUpdate, JobEvent
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_pleo_export.target.reporter import Reporter
    from tap_pleo_export.target.run import Outcomes

STREAMS_FILE = "report_streams.json"
SDK_MEMBERS = "_sdc_"
EXPORTED_AT = "exportedAt"


class ReportingSink(RecordSink):
    """A stream of the target; `schemas/report_streams.json` has the schema of its records."""

    name: ClassVar[str]
    identified_by: ClassVar[dict[str, str]]
    """The members that identify a record in a message, with their titles."""

    def __init__(self, target: Any, **sink: Any) -> None:  # noqa: ANN401 - the SDK's arguments
        super().__init__(target, **sink)
        self._reporter: Reporter = target.reporter
        self._outcomes: Outcomes = target.outcomes
        self._rules = jsonschema_rs.Draft202012Validator(self.declared())
        self._unknown: set[str] = set()

    @classmethod
    def declared(cls) -> dict[str, Any]:
        """Return the JSON Schema of the records, after null and "" are removed."""
        streams = shipped(STREAMS_FILE)
        return {**streams[cls.name], "$defs": streams["$defs"]}

    def get_validator(self) -> None:
        """Disable the SDK's validation: it takes half a millisecond per record and quotes values."""

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Report a record, or refuse it in one line.

        Args:
            record: The record as received.
            context: `line`: its line in the input.
        """
        members = self._present(record)
        problems = dict.fromkeys((*_schema_problems(self._rules, members), *_time_problems(members)))
        if problems:
            ids = ", ".join(f"{title} {_id(members.get(name))}" for name, title in self.identified_by.items())
            self._outcomes.refuse_record(context["line"], ids, "; ".join(problems))
            return
        if time := parse_time(members.get(EXPORTED_AT)):
            members[EXPORTED_AT] = format_time(time)
        reported = self.parse(members.pop("jobId").lower(), members, context["line"])
        if isinstance(reported, ItemUpdate):
            self._reporter.update(reported)
        else:
            self._reporter.event(reported)

    @abc.abstractmethod
    def parse(self, job_id: str, members: dict[str, Any], line: int) -> ItemUpdate | JobEvent:
        """Return what a valid record reports."""

    def _present(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return the declared members without null and ""; warn once about each unknown one."""
        declared = self.schema["properties"]
        for name in record.keys() - declared.keys() - self._unknown:
            if not name.startswith(SDK_MEMBERS):
                self._unknown.add(name)
                self.logger.warning("Ignored unknown member '%s' of '%s'", one_line(name), self.name)
        return {name: value for name, value in record.items() if name in declared and value is not None and value != ""}


class ExportJobItemUpdates(ReportingSink):
    """Outcomes of export job items (contents of OpenAPI schema ``UpdateExportJobItemV3``)."""

    name = "export_job_item_updates"
    identified_by: ClassVar[dict[str, str]] = {"jobId": "export job", "accountingEntryId": "item"}

    def parse(self, job_id: str, members: dict[str, Any], line: int) -> ItemUpdate:
        """Return the outcome of an item."""
        return ItemUpdate(job_id, members.pop("accountingEntryId"), members.pop("status"), members, line)


class ExportJobEvents(ReportingSink):
    """Events of export jobs (contents of OpenAPI schema ``CreateExportJobEvent``)."""

    name = "export_job_events"
    identified_by: ClassVar[dict[str, str]] = {"jobId": "export job", "event": "event"}

    def parse(self, job_id: str, members: dict[str, Any], line: int) -> JobEvent:
        """Return the event of a job."""
        return JobEvent(job_id, members.pop("event"), members, line)


SINKS = {sink.name: sink for sink in (ExportJobItemUpdates, ExportJobEvents)}
"""The streams that the target accepts, by name."""


def _schema_problems(validator: jsonschema_rs.Draft202012Validator, record: dict[str, Any]) -> Iterator[str]:
    """Yield the invalid members and what is wrong with each, without their values."""
    errors = list(validator.iter_errors(record))
    # Which reasons are required depends on the status: an invalid status is reported alone.
    plain = [error for error in errors if error.schema_path[0] not in {"then", "else"}]
    for error in plain or errors:
        member = f"'{error.instance_path[0]}'" if error.instance_path else ""
        match error.kind:
            case Kind.Required(property=name):
                yield f"'{name}' is missing" + ("" if plain else " (required with 'failed')")
            case Kind.FalseSchema():
                yield f"{member} is allowed with 'failed' only"
            case Kind.Enum(options=options):
                yield f"{member} is not one of {', '.join(map(str, options))}"
            case Kind.Pattern():
                yield f"{member} is not a UUID"
            case _:
                yield f"{member} is not text"


def _time_problems(record: dict[str, Any]) -> Iterator[str]:
    if isinstance(record.get(EXPORTED_AT), str) and parse_time(record[EXPORTED_AT]) is None:
        yield f"'{EXPORTED_AT}' is not a time like 2026-01-31T12:00:00Z"


def _id(value: object) -> str:
    """Return an id for a message; anything else is not shown."""
    shown = isinstance(value, str) and (PLAIN_UUID.fullmatch(value) or value.isidentifier())
    return one_line(str(value)) if shown else "unknown"
