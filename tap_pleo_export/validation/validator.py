"""Runs all checks on an item and sums up their findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_pleo_export.validation.account_lookup import AccountLookup
from tap_pleo_export.validation.check import Check
from tap_pleo_export.validation.checks import builtin_checks
from tap_pleo_export.validation.item import bookkeeping_method
from tap_pleo_export.validation.required_configuration import ID as CONFIGURATION
from tap_pleo_export.validation.verdict import UNEXPECTED, Finding, Record, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from tap_pleo_export.validation.settings import Settings
    from tap_pleo_export.validation.user_checks import UserCheck
    from tap_pleo_export.validation.verdict import Method, Posting


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
        located = CONFIGURATION not in settings.disabled_checks
        self._accounts = AccountLookup(settings) if located else None

    def lacking(self, members: Container[str]) -> dict[str, list[str]]:
        """Return what the checks read and a stream does not have.

        Args:
            members: The stream's members, top-level ones.

        Returns:
            Ids of the checks that read it, by absent member.
        """
        absent: dict[str, list[str]] = {}
        for check in self._checks:
            for member in sorted(check.reads):
                if member not in members:
                    absent.setdefault(member, []).append(check.id)
        return absent

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
                findings = (_broken(self._checks[index], cause),)
            if findings:
                found[index] = findings
        posting = self._posting(record, method)
        if not found:
            return Verdict("passed", None, None, self.nothing_found, method, posting)
        entries = (found.get(index, (passed,)) for index, passed in enumerate(self.nothing_found))
        return Verdict.of(tuple(finding for part in entries for finding in part), method, posting)

    def _posting(self, record: Record, method: Method) -> Posting | None:
        """Return where an item is posted; it reads what `required_configuration` reads, so it breaks only with it."""
        if self._accounts is None:
            return None
        try:
            return self._accounts.posting(record, method)
        except Exception:  # noqa: BLE001 - the check has broken, too, and says so
            return None


def _user_check(check: UserCheck) -> Check:
    return Check(check.id, check.severity, lambda record, _: check.judge(record), check.reads)


def _broken(check: Check, cause: Exception) -> Finding:
    reason = f"Check {check.id} could not run: the item has an unexpected shape ({type(cause).__name__})"
    return Finding(check.id, "error", check.severity, UNEXPECTED, reason, "")
