"""Maps the messages of `export_items`: adds verdicts, separates or drops failed items, makes updates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tap_pleo_export.singer.exact_json import Json, Members, decode, encode, join, members
from tap_pleo_export.singer.message_reader import InputError
from tap_pleo_export.singer.schema_files import shipped
from tap_pleo_export.validation import MEMBERS, Posting, Settings, Validator, Verdict
from tap_pleo_export.validation.booking import MAX_CACHED

ITEMS = "export_items"
FAILED = "export_items_failed"
UPDATES = "export_job_item_updates"
KEYS = ("jobId", "accountingEntryId")

_OUTCOMES = {"error": "failed", "warning": "warned"}
_MARK = f',"{MEMBERS[0]}":'.encode()


class ItemMapping:
    """Maps the messages of `export_items` to lines.

    Attributes:
        items: Number of items by status: `passed`, `failed`.
        findings: Number of items by (check, outcome): `failed`, `warned`, or `broken` for any severity.
        without_keys: Number of failed items that lack the keys of an update.
    """

    def __init__(self, settings: Settings, validator: Validator) -> None:
        self._validator = validator
        self._on_failure = settings.on_failure
        self._emit_updates = settings.emit_updates
        self._only_updates = settings.only_updates
        self._clean: dict[tuple[str, Posting], bytes] = {}
        self.items: Counter[str] = Counter()
        self.findings: Counter[tuple[str, str]] = Counter()
        self.without_keys = 0
        self._schema_seen = False

    def schema(self, message: Members) -> Iterator[bytes]:
        """Extend the SCHEMA and yield those of the added streams."""
        self._schema_seen = True
        schema = _object(message, "schema")
        own = schema.get("properties") or {}
        if not isinstance(own, dict):
            raise InputError("has a schema with properties that are not an object")
        if lacking := self._validator.lacking(own):
            named = "; ".join(f"'{member}' for {', '.join(checks)}" for member, checks in lacking.items())
            raise InputError(
                f"is a SCHEMA of {ITEMS} without members that checks read: {named}. "
                "Select them in the tap under these names, flatten only in the loader, or disable the checks"
            )
        message = message | {"schema": _annotated_schema(message["schema"])}
        if not self._only_updates:
            yield join(message)
        yield from self._added_schemas(message)

    def record(self, message: Members) -> Iterator[bytes]:
        """Annotate the record; separate, drop or report it according to the settings."""
        if not self._schema_seen:
            self._schema_seen = True
            annotation_only = {"type": "object", "properties": shipped("validation_streams.json")["annotation"]}
            yield from self._added_schemas(_schema_message(ITEMS, annotation_only))
        record = _object(message, "record")
        raw = message["record"]
        if not record.keys().isdisjoint(MEMBERS):
            raw = without_verdict(bytes(raw))
            record = {name: value for name, value in record.items() if name not in MEMBERS}
        verdict = self._validator.judge(record)
        annotation = self._annotation(verdict)
        message["record"] = b",".join((memoryview(raw)[:-1], annotation[1:])) if record else annotation
        self._count(verdict)
        passed = verdict.status == "passed"
        if not self._only_updates:
            if passed or self._on_failure == "annotate":
                yield join(message)
            elif self._on_failure == "separate":
                yield join(message | {"stream": encode(FAILED)})
        if self._emit_updates and not passed:
            yield from self._update(message, record, verdict)

    def activate_version(self, message: Members) -> Iterator[bytes]:
        """Activate the version for separated items as well."""
        if self._only_updates:
            return
        yield join(message)
        if self._on_failure == "separate":
            yield join(message | {"stream": encode(FAILED)})

    @property
    def broken(self) -> Counter[str]:
        """How often each check could not run."""
        return Counter({check: count for (check, what), count in self.findings.items() if what == "broken"})

    def counts(self) -> dict[str, Any]:
        """Return the counts of the run summary; `by_check` has the number of items by check and outcome."""
        by_check: dict[str, dict[str, int]] = {}
        for (check, outcome), count in self.findings.items():
            by_check.setdefault(check, {})[outcome] = count
        passed, failed = self.items["passed"], self.items["failed"]
        return {"items": passed + failed, "passed": passed, "failed": failed, "by_check": by_check}

    def _count(self, verdict: Verdict) -> None:
        self.items[verdict.status] += 1
        if verdict.checks is self._validator.nothing_found:
            return
        self.findings.update(
            {
                (finding.check, "broken" if finding.status == "error" else _OUTCOMES[finding.severity])
                for finding in verdict.checks
                if finding.status != "passed"
            }
        )

    def _annotation(self, verdict: Verdict) -> bytes:
        """Return a verdict as a JSON object; without findings it depends only on method and posting."""
        if verdict.checks is not self._validator.nothing_found:
            return encode(verdict)
        kind = verdict.bookkeeping_method, verdict.posting
        known = self._clean.get(kind)
        if known is None:
            if len(self._clean) >= MAX_CACHED:
                self._clean.clear()
            known = self._clean[kind] = encode(verdict)
        return known

    def _update(self, message: Members, record: dict[str, Any], verdict: Verdict) -> Iterator[bytes]:
        found = verdict.for_pleo()
        if found is None:
            return
        keys = {key: record.get(key) for key in KEYS}
        if not all(isinstance(key, str) for key in keys.values()):
            self.without_keys += 1
            return
        reason = dict(zip(("failureReasonType", "failureReason"), found, strict=True))
        update: Members = {
            "type": encode("RECORD"),
            "stream": encode(UPDATES),
            "record": encode(keys | {"status": "failed"} | reason),
        }
        if "time_extracted" in message:
            update["time_extracted"] = message["time_extracted"]
        yield join(update)

    def _added_schemas(self, message: Members) -> Iterator[bytes]:
        if self._on_failure == "separate" and not self._only_updates:
            yield join(message | {"stream": encode(FAILED)})
        if self._emit_updates:
            yield join(_schema_message(UPDATES, shipped("validation_streams.json")[UPDATES]))


def without_verdict(record: bytes) -> bytes:
    """Return a record without the members of an earlier verdict; other bytes are unchanged where possible."""
    start = record.rfind(_MARK)
    if start > 0:
        rest = record[:start] + b"}"
        try:
            if tuple(members(b"{" + record[start + 1 :])) == MEMBERS and members(rest).keys().isdisjoint(MEMBERS):
                return rest
        except ValueError:
            pass  # the mark is part of a nested object
    return join({name: value for name, value in members(record).items() if name not in MEMBERS})


def _annotated_schema(schema: Json) -> bytes:
    parts = members(schema)
    added = shipped("validation_streams.json")["annotation"]
    own = members(parts["properties"]) if bytes(parts.get("properties", b"null")) != b"null" else {}
    return join(parts | {"properties": join(own | {name: encode(member) for name, member in added.items()})})


def _object(message: Members, name: str) -> dict[str, Any]:
    try:
        value = decode(message[name])
    except KeyError:
        raise InputError(f"has no {name}") from None
    except (ValueError, RecursionError):
        raise InputError(f"has a {name} that is not JSON") from None
    if not isinstance(value, dict):
        raise InputError(f"has a {name} that is not an object")
    return value


def _schema_message(stream: str, schema: dict[str, Any]) -> Members:
    parts = {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": KEYS}
    return {name: encode(value) for name, value in parts.items()}
