"""Checks, their findings, and the verdict on an item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Record = dict[str, Any]
Method = Literal["journal", "accounts_payable"]
METHODS: tuple[Method, ...] = ("journal", "accounts_payable")
Status = Literal["passed", "failed", "error"]
Severity = Literal["error", "warning"]

UNEXPECTED = "unexpected_failure"
"""Item failure type of a check that broke."""


class Subject(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Subject of a finding as data, for programs; only the members that apply are written.

    Attributes:
        role: `journal`, `vendor`, `contraAccount`, `glAccount`, `taxCode`, `tag`, or an account role of the
            configuration such as `wallet`.
        alternatives: Other roles of which any one would do instead.
        line: Number of the accounting entry line, from 1.
        code: The code that does not exist in the accounting system.
        name: Name of the account or vendor, as the item gives it.
        currency: Wallet currency for which the account is needed.
        company_id: Company whose configuration lacks it.
    """

    role: str
    alternatives: tuple[str, ...] = ()
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
        subject: The missing or unknown thing; None when passed, when the check broke, and for user-defined checks.
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
    judge: Callable[[Record, Method], Sequence[Finding]]
    reads: frozenset[str]
    hints: tuple[str, ...] = ()


class Posting(msgspec.Struct, frozen=True, rename="camel"):
    """Where an item is posted, according to configuration, item and needs table.

    Attributes:
        journal: Code of the journal; None if not required or not configured.
        counter_account: Code, or else identifier, of the account opposite to those of the lines; None as above.
        counter_account_role: `contraAccount` for the account of the item, or a role of the configuration.
    """

    journal: str | None = None
    counter_account: str | None = None
    counter_account_role: str | None = None


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
        failure_reason: Texts of all failed errors, joined by `; `.
        checks: Findings, built-in checks first.
        bookkeeping_method: How the item is to be recorded.
        posting: Where it is posted; None if a vendor is missing, or `required_configuration` is disabled or broke.
    """

    status: Literal["passed", "failed"]
    failure_reason_type: str | None
    failure_reason: str | None
    checks: tuple[Finding, ...]
    bookkeeping_method: Method
    posting: Posting | None

    @classmethod
    def of(cls, findings: tuple[Finding, ...], method: Method, posting: Posting | None = None) -> Verdict:
        """Combine the findings of all checks."""
        errors = [f for f in findings if f.severity == "error" and f.status != "passed"]
        if not errors:
            return cls("passed", None, None, findings, method, posting)
        return cls("failed", errors[0].failure_reason_type, _reasons(errors), findings, method, posting)

    def for_pleo(self) -> tuple[str | None, str] | None:
        """Return type and reason of the findings on the item; None without findings, even if a check broke."""
        found = [f for f in self.checks if f.severity == "error" and f.status == "failed"]
        return (found[0].failure_reason_type, _reasons(found)) if found else None


def _reasons(findings: list[Finding]) -> str:
    return "; ".join(finding.failure_reason or "" for finding in findings)


MEMBERS: tuple[str, ...] = Verdict.__struct_encode_fields__
"""Names of the members that a verdict adds to a record, in their order."""
