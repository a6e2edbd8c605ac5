"""Runs all checks on an item and sums up their findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tap_pleo_export.validation.check import Check
from tap_pleo_export.validation.checks import builtin_checks
from tap_pleo_export.validation.item import bookkeeping_method
from tap_pleo_export.validation.json_schema import carries, first_lacking
from tap_pleo_export.validation.problems import pointer
from tap_pleo_export.validation.verdict import MEMBERS, METHODS, UNEXPECTED, Finding, Method, Record, Verdict

if TYPE_CHECKING:
    from tap_pleo_export.validation.settings import Settings
    from tap_pleo_export.validation.user_checks import UserCheck

Judge = Callable[[Record, Method], Sequence[Finding]]


class Validator:
    """All checks that the settings switch on, compiled.

    Attributes:
        nothing_found: The `checks` of every verdict without a finding; the same tuple each time.
    """

    def __init__(self, settings: Settings, on_unknown_method: Callable[[Record], None] = lambda _record: None) -> None:
        """Compile the checks.

        Args:
            settings: What `parse_settings` returns.
            on_unknown_method: Called with each record whose bookkeeping method Pleo does not document.
        """
        checks = [*builtin_checks(settings), *map(_user_check, settings.checks)]
        self._checks = [check for check in checks if check.id not in settings.disabled_checks]
        self._judges = [check.judge for check in self._checks]
        self._null_bookkeeping = settings.null_bookkeeping
        self._on_unknown_method = on_unknown_method
        self.nothing_found = tuple(Finding(check.id, "passed", check.severity) for check in self._checks)
        self._all_passed = {method: Verdict.of(self.nothing_found, method) for method in METHODS}

    def use_schema(self, schema: dict[str, Any]) -> None:
        """Take note of the fields that the stream's schema offers.

        A check that needs a field which neither the schema nor the record has (it was deselected) cannot judge
        the record, and says so with status `error`.
        """
        members = schema.get("properties") or {}
        own = {name: member for name, member in members.items() if name not in MEMBERS}
        # A stream that names no members of its own is open, also once an earlier run has named those of a verdict.
        schema = schema | {"properties": own or None}
        self._judges = [_guarded(check, schema) or check.judge for check in self._checks]

    def judge(self, record: Record) -> Verdict:
        """Return the verdict on an export item.

        Args:
            record: An export item (OpenAPI `ExportItemV3`, plus `jobId` and `itemStatus`), without an earlier verdict.
        """
        method, documented = bookkeeping_method(record, self._null_bookkeeping)
        if not documented:
            self._on_unknown_method(record)
        found: dict[int, Sequence[Finding]] = {}
        for index, judge in enumerate(self._judges):
            try:
                findings = judge(record, method)
            except Exception as cause:  # noqa: BLE001 - a check that breaks is a finding, never a crash
                findings = (
                    _broken(self._checks[index], f"the item has an unexpected shape ({type(cause).__name__})", ""),
                )
            if findings:
                found[index] = findings
        if not found:
            return self._all_passed[method]
        entries = (found.get(index, (passed,)) for index, passed in enumerate(self.nothing_found))
        return Verdict.of(tuple(finding for part in entries for finding in part), method)


def _user_check(check: UserCheck) -> Check:
    return Check(check.id, check.severity, lambda record, _: check.judge(record), check.fields)


def _broken(check: Check, why: str, path: str) -> Finding:
    reason = f"Check {check.id} could not be made: {why}"
    return Finding(check.id, "error", check.severity, UNEXPECTED, reason, path)


def _guarded(check: Check, schema: dict[str, Any]) -> Judge | None:
    """Return a check's function, guarded against the fields that a stream lacks; None if it lacks none."""
    lacking = {field: part for field in check.fields if (part := first_lacking(schema, field))}
    if not lacking:
        return None
    reads = check.reads or (lambda _record, _method: check.fields)

    def judge(record: Record, method: Method) -> Sequence[Finding]:
        needed = {lacking[field] for field in reads(record, method) if field in lacking}
        gone = sorted(part for part in needed if not carries(record, part))
        if not gone:
            return check.judge(record, method)
        names = ", ".join(".".join(part) for part in gone)
        return (_broken(check, f"the stream lacks {names}, select it in the tap", pointer(gone[0])),)

    return judge
