"""Runs all checks on an item and combines their findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_pleo_export.validation.checks import CONFIGURATION, builtin_checks
from tap_pleo_export.validation.item import bookkeeping_method
from tap_pleo_export.validation.requirements import AccountLookup
from tap_pleo_export.validation.verdict import UNEXPECTED, Finding, Record, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from tap_pleo_export.validation.settings import Settings
    from tap_pleo_export.validation.verdict import Check, Method, Posting


class Validator:
    """All checks that the settings enable.

    Attributes:
        nothing_found: The `checks` of all verdicts without findings, a shared tuple.
    """

    def __init__(self, settings: Settings, on_unknown_method: Callable[[Record], None] = lambda _record: None) -> None:
        """Compile the checks; call back with each record whose bookkeeping method Pleo does not document."""
        checks = [*builtin_checks(settings), *settings.checks]
        self._checks = [check for check in checks if check.id not in settings.disabled_checks]
        self._judges = [check.judge for check in self._checks]
        self._null_bookkeeping = settings.null_bookkeeping
        self._on_unknown_method = on_unknown_method
        self.nothing_found = tuple(Finding(check.id, "passed", check.severity) for check in self._checks)
        located = CONFIGURATION not in settings.disabled_checks
        self._accounts = (
            AccountLookup(settings.requirements, settings.companies, settings.null_bookkeeping) if located else None
        )

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
        method, documented = bookkeeping_method(record, self._null_bookkeeping)
        if not documented:
            self._on_unknown_method(record)
        found: dict[int, Sequence[Finding]] = {}
        for index, judge in enumerate(self._judges):
            try:
                findings = judge(record, method)
            except Exception as cause:  # noqa: BLE001 - a broken check is a finding, never a crash
                findings = (_broken(self._checks[index], cause),)
            if findings:
                found[index] = findings
        posting = self._posting(record, method)
        if not found:
            return Verdict("passed", None, None, self.nothing_found, method, posting)
        entries = (found.get(index, (passed,)) for index, passed in enumerate(self.nothing_found))
        return Verdict.of(tuple(finding for part in entries for finding in part), method, posting)

    def _posting(self, record: Record, method: Method) -> Posting | None:
        """Return where an item is posted; breaks only where `required_configuration` breaks."""
        if self._accounts is None:
            return None
        try:
            return self._accounts.posting(record, method)
        except Exception:  # noqa: BLE001 - the check reports the same error
            return None


def _broken(check: Check, cause: Exception) -> Finding:
    reason = f"Check {check.id} could not run: the item has an unexpected shape ({type(cause).__name__})"
    return Finding(check.id, "error", check.severity, UNEXPECTED, reason, "")
