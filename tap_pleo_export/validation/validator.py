"""Runs all checks on an item and combines their findings."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import TYPE_CHECKING

from tap_pleo_export.text import one_line
from tap_pleo_export.validation.booking import Booking, Bookings
from tap_pleo_export.validation.checks import builtin_checks
from tap_pleo_export.validation.item import bookkeeping_method
from tap_pleo_export.validation.verdict import UNEXPECTED, Finding, Verdict

if TYPE_CHECKING:
    from tap_pleo_export.validation.settings import Settings
    from tap_pleo_export.validation.verdict import Check
    from tap_pleo_export.validation.vocabulary import Record


class Validator:
    """All checks that the settings enable.

    Attributes:
        nothing_found: The `checks` of all verdicts without findings, a shared tuple.
    """

    def __init__(self, settings: Settings, warn: Callable[[str], None] = lambda _text: None) -> None:
        """Compile the checks; `warn` gets each warning that is not a finding, once."""
        checks = [*builtin_checks(settings), *settings.checks]
        self._checks = [check for check in checks if check.id not in settings.disabled_checks]
        self._judges = [check.judge for check in self._checks]
        self._null_bookkeeping = settings.null_bookkeeping
        self._bookings = Bookings(settings.booking, settings.companies, settings.vendor_accounts)
        self._warn = warn
        self._warned: set[object] = set()
        self.nothing_found = tuple(Finding(check.id, "passed", check.severity) for check in self._checks)

    def lacking(self, members: Container[str]) -> dict[str, list[str]]:
        """Return the top-level members that checks read but a stream lacks, with the ids of these checks."""
        absent: dict[str, list[str]] = {}
        for check in self._checks:
            for member in sorted(check.reads):
                if member not in members:
                    absent.setdefault(member, []).append(check.id)
        return absent

    def judge(self, record: Record) -> Verdict:
        """Return the verdict on an export item (OpenAPI `ExportItemV3`) that has no earlier verdict."""
        booking = self._book(record)
        found: dict[int, Sequence[Finding]] = {}
        for index, judge in enumerate(self._judges):
            try:
                findings = judge(record, booking)
            except Exception as cause:  # noqa: BLE001 - a broken check is a finding, never a crash
                findings = (_broken(self._checks[index], cause),)
            if findings:
                found[index] = findings
        if not found:
            return Verdict("passed", None, None, self.nothing_found, booking.method, booking.posting)
        entries = (found.get(index, (passed,)) for index, passed in enumerate(self.nothing_found))
        return Verdict.of(tuple(finding for part in entries for finding in part), booking.method, booking.posting)

    def _book(self, record: Record) -> Booking:
        method, documented = bookkeeping_method(record, self._null_bookkeeping)
        if not documented:
            text = "Item {} has a bookkeeping method unknown to Pleo's API: recorded as journal"
            self._warn_once("method", text, record)
        try:
            booking = self._bookings.book(record, method)
        except Exception as fault:  # noqa: BLE001 - reported as a finding by `required_configuration`
            return Booking(method, fault=fault)
        if booking.is_assumption:
            kind = " ".join(filter(None, (record.get("type"), record.get("subType"))))
            text = f"Item {{}} is the first {kind}: it is booked by an assumption, see the booking table"
            self._warn_once((method, kind), text, record)
        return booking

    def _warn_once(self, key: object, text: str, record: Record) -> None:
        if key not in self._warned:
            self._warned.add(key)
            self._warn(text.format(one_line(str(record.get("accountingEntryId")))))


def _broken(check: Check, cause: Exception) -> Finding:
    reason = f"Check {check.id} could not run: the item has an unexpected shape ({type(cause).__name__})"
    return Finding(check.id, "error", check.severity, UNEXPECTED, reason, "")
