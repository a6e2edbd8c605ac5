"""The target's sinks: the streams it accepts, checks of their records, and where the records go."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import jsonschema_rs
from singer_sdk.sinks import RecordSink

from tap_pleo_export.api.jobs import PLAIN_UUID, format_time
from tap_pleo_export.singer.schema_errors import violations
from tap_pleo_export.singer.schema_files import shipped
from tap_pleo_export.target.jobs import ItemUpdate, JobEvent
from tap_pleo_export.text import one_line, parse_time

if TYPE_CHECKING:
    from tap_pleo_export.target.reporter import Reporter
    from tap_pleo_export.target.run import Outcomes

STREAMS_FILE = "report_streams.json"
SDK_MEMBERS = "_sdc_"
EXPORTED_AT = "exportedAt"
MAX_NAMED_MEMBERS = 5
# Texts for JSON Schema keywords; they quote no values.
MISTAKES = {"falseSchema": "is allowed with 'failed' only", "pattern": "is not a UUID", "type": "is not text"}


class ReportingSink(RecordSink):
    """A stream of the target; `schemas/report_streams.json` has the schema of its records."""

    name: ClassVar[str]
    identified_by: ClassVar[dict[str, str]]
    """The members that identify a record in a message, with their titles."""

    def __init__(self, target: Any, **sink: Any) -> None:  # noqa: ANN401 - the SDK's arguments
        super().__init__(target, **sink)
        self._reporter: Reporter = target.reporter
        self._outcomes: Outcomes = target.outcomes
        self._declared = self.declared()
        self._rules = jsonschema_rs.Draft202012Validator(self._declared)
        self._unknown: dict[str, None] = {}

    @classmethod
    def declared(cls) -> dict[str, Any]:
        """Return the JSON Schema of the records, after null and "" are removed."""
        streams = shipped(STREAMS_FILE)
        return {**streams[cls.name], "$defs": streams["$defs"]}

    def get_validator(self) -> None:
        """Disable the SDK's validation: it takes half a millisecond per record and quotes values."""

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Report a record, or refuse it in one line; ``context["line"]`` is its line in the input."""
        members = self._present(record)
        problems = list(_time_problems(members))
        if not self._rules.is_valid(members):
            problems = [*_schema_problems(self._declared, members), *problems]
        if problems:
            ids = ", ".join(f"{title} {_id(members.get(name))}" for name, title in self.identified_by.items())
            self._outcomes.refuse_record(context["line"], ids, "; ".join(problems))
            return
        if time := parse_time(members.get(EXPORTED_AT)):
            members[EXPORTED_AT] = format_time(time)
        self.report(members.pop("jobId").lower(), members, context["line"])

    def clean_up(self) -> None:
        """Warn about the unknown members of all records, in one line."""
        if self._unknown:
            names = [f"'{one_line(name)}'" for name in list(self._unknown)[:MAX_NAMED_MEMBERS]]
            more = f" and {len(self._unknown) - len(names)} more" if len(self._unknown) > len(names) else ""
            self.logger.warning(
                "Ignored %d unknown member(s) of '%s': %s%s", len(self._unknown), self.name, ", ".join(names), more
            )

    @abc.abstractmethod
    def report(self, job_id: str, members: dict[str, Any], line: int) -> None:
        """Report a valid record."""

    def _present(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return the declared members without null and ""; note the names of unknown ones."""
        declared = self.schema["properties"]
        self._unknown |= dict.fromkeys(
            name for name in record if name not in declared and not name.startswith(SDK_MEMBERS)
        )
        return {name: value for name, value in record.items() if name in declared and value is not None and value != ""}


class ExportJobItemUpdates(ReportingSink):
    """Outcomes of export job items (contents of OpenAPI schema ``UpdateExportJobItemV3``)."""

    name = "export_job_item_updates"
    identified_by: ClassVar[dict[str, str]] = {"jobId": "export job", "accountingEntryId": "item"}

    def report(self, job_id: str, members: dict[str, Any], line: int) -> None:
        """Report the outcome of an item."""
        entry_id, status = members.pop("accountingEntryId"), members.pop("status")
        self._reporter.update(ItemUpdate(job_id, entry_id, status, members, line))


class ExportJobEvents(ReportingSink):
    """Events of export jobs (contents of OpenAPI schema ``CreateExportJobEvent``)."""

    name = "export_job_events"
    identified_by: ClassVar[dict[str, str]] = {"jobId": "export job", "event": "event"}

    def report(self, job_id: str, members: dict[str, Any], line: int) -> None:
        """Report the event of a job."""
        self._reporter.event(JobEvent(job_id, members.pop("event"), members, line))


SINKS = {sink.name: sink for sink in (ExportJobItemUpdates, ExportJobEvents)}
"""The streams that the target accepts, by name."""


def _schema_problems(schema: dict[str, Any], record: dict[str, Any]) -> Iterator[str]:
    """Yield the invalid members and their mistakes, without their values."""
    found = violations(schema, record)
    # Which reasons are required depends on the status: an invalid status is reported alone.
    plain = [violation for violation in found if violation.schema_path[0] not in {"then", "else"}]
    for violation in plain or found:
        name = violation.path[0]
        match violation.keyword:
            case "required":
                yield f"'{name}' is missing" + ("" if plain else " (required with 'failed')")
            case "enum":
                yield f"'{name}' is not one of {', '.join(schema['properties'][name]['enum'])}"
            case keyword:
                yield f"'{name}' {MISTAKES[keyword]}"


def _time_problems(record: dict[str, Any]) -> Iterator[str]:
    if isinstance(record.get(EXPORTED_AT), str) and parse_time(record[EXPORTED_AT]) is None:
        yield f"'{EXPORTED_AT}' is not a time like 2026-01-31T12:00:00Z"


def _id(value: object) -> str:
    """Return an id for a message; anything else is not shown."""
    shown = isinstance(value, str) and (PLAIN_UUID.fullmatch(value) or value.isidentifier())
    return one_line(str(value)) if shown else "unknown"
