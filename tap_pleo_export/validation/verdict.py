"""Checks, their findings, and the verdict on an item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Literal

import msgspec

from tap_pleo_export.validation.booking import Posting

if TYPE_CHECKING:
    from tap_pleo_export.validation.booking import Booking
    from tap_pleo_export.validation.vocabulary import Method, Record

Status = Literal["passed", "failed", "error"]
Severity = Literal["error", "warning"]

UNEXPECTED = "unexpected_failure"
"""Item failure type of a check that broke."""

MAX_REASON = 500
"""Characters of a reason that is sent to Pleo."""

MAX_LINES = 3
"""Lines that a reason names for each check; the others are counted."""


class Subject(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Subject of a finding as data, for programs; only the members that apply are written.

    Attributes:
        role: `journal`, `vendor`, `glAccount`, `taxCode`, `tag`, `amount`, `type`, `tax`, an account role of the
            configuration such as `wallet`, or the top-level member that a user's check is about.
        alternatives: Other roles of which any one would do instead.
        document: First document that needs the role.
        line: Number of the accounting entry line, from 1.
        code: The unknown code or type.
        name: Name of the account or vendor, as the item gives it, or the subtype.
        currency: Wallet currency for which the account is needed.
        company_id: Company whose configuration lacks it.
    """

    role: str
    alternatives: tuple[str, ...] = ()
    document: str | None = None
    line: int | None = None
    code: str | None = None
    name: str | None = None
    currency: str | None = None
    company_id: str | None = None


class Finding(msgspec.Struct, frozen=True, rename="camel"):
    """One entry of `validationChecks`.

    Attributes:
        check: Id of the check.
        status: `passed`, `failed`, or `error` if the check itself could not run.
        severity: `error` or `warning`.
        failure_reason_type: Pleo's item failure type (OpenAPI `UpdateExportJobItemV3`); None when passed.
        failure_reason: Text in Pleo's wording; None when passed.
        path: JSON Pointer into the record, `""` if no member is at fault; None when passed.
        subject: The missing or unknown thing; None when passed and when the check broke.
    """

    check: str
    status: Status
    severity: Severity
    failure_reason_type: str | None = None
    failure_reason: str | None = None
    path: str | None = None
    subject: Subject | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A check as the validator runs it.

    Attributes:
        id: Public name.
        severity: `error` or `warning`.
        judge: Returns the findings on a record. May raise if the record has an unexpected shape.
        reads: Top-level members of an item that the check needs.
        hints: Likely mistakes in the valid schema of a user's check, each beginning with a JSON Pointer into it.
    """

    id: str
    severity: Severity
    judge: Callable[[Record, Booking], Sequence[Finding]]
    reads: frozenset[str]
    hints: tuple[str, ...] = ()


class Verdict(
    msgspec.Struct,
    frozen=True,
    rename={
        "status": "validationStatus",
        "failure_reason_type": "validationFailureReasonType",
        "failure_reason": "validationFailureReason",
        "checks": "validationChecks",
        "bookkeeping_method": "bookkeepingMethod",
        "posting": "posting",
    },
):
    """The six members that validation adds to an export item.

    Attributes:
        status: `failed` if any check of severity `error` failed or broke.
        failure_reason_type: Type of the first failed error.
        failure_reason: Texts of the failed errors, joined by `; `, at most :data:`MAX_REASON` characters.
        checks: Findings, built-in checks first.
        bookkeeping_method: How the item is to be recorded.
        posting: How it is booked.
    """

    status: Literal["passed", "failed"]
    failure_reason_type: str | None
    failure_reason: str | None
    checks: tuple[Finding, ...]
    bookkeeping_method: Method
    posting: Posting

    @classmethod
    def of(cls, findings: tuple[Finding, ...], method: Method, posting: Posting) -> Verdict:
        """Combine the findings of all checks; `posting` is for an item that passes."""
        errors = [f for f in findings if f.severity == "error" and f.status != "passed"]
        if not errors:
            return cls("passed", None, None, findings, method, posting)
        reason = _reason(errors)
        failed = Posting("failed", reason)
        return cls("failed", errors[0].failure_reason_type, reason, findings, method, failed)

    def for_pleo(self) -> tuple[str | None, str] | None:
        """Return type and reason of the findings on the item; None without findings, even if a check broke."""
        found = [f for f in self.checks if f.severity == "error" and f.status == "failed"]
        return (found[0].failure_reason_type, _reason(found)) if found else None


def _reason(findings: list[Finding]) -> str:
    text = "; ".join(_texts(findings))
    return text if len(text) <= MAX_REASON else text[: MAX_REASON - 1] + "…"


def _texts(findings: list[Finding]) -> Iterator[str]:
    """Yield the texts of the findings, for each check only those of its first lines."""
    for _, group in groupby(findings, lambda finding: finding.check):
        lines: set[int] = set()
        for finding in group:
            line = (finding.subject.line if finding.subject else None) or 0
            lines.add(line)
            if len(lines) <= MAX_LINES:
                yield finding.failure_reason or ""
        more = len(lines) - MAX_LINES
        if more > 0:
            yield f"and {more} more line{'s' if more > 1 else ''}"


MEMBERS: tuple[str, ...] = Verdict.__struct_encode_fields__
"""Names of the members that a verdict adds to a record, in their order."""
