"""A check, and the wording of its findings: Pleo's documented texts and item failure types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_pleo_export.validation.verdict import Finding, Method, Record, Severity, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MISSING = "missing_configuration"
INVALID = "invalid_configuration"
VENDOR = "vendor_unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """A check as the validator runs it.

    Attributes:
        id: Public name.
        severity: `error` or `warning`.
        judge: Returns the findings on a record; none if it is in order. May raise on a record of another shape.
        reads: Members of an item, top-level ones, without which it cannot judge.
    """

    id: str
    severity: Severity
    judge: Callable[[Record, Method], Sequence[Finding]]
    reads: frozenset[str]


def failed(check: str, kind: str, reason: str, path: str, subject: Subject) -> Finding:
    """Return the finding of a built-in check."""
    return Finding(check, "failed", "error", kind, reason, path, subject)


def account_missing(check: str, label: str, path: str, subject: Subject) -> Finding:
    """Return the finding that an account is not provided; its label may end with its place in brackets."""
    reason = f"Account {label} missing: provide account {label} in the configurations"
    return failed(check, MISSING, reason, path, subject)
