"""What a finding comes from: findings with the same cause are mended by the same deed."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from tap_pleo_export.blocked_report.text import REASON, shown

# What the built-in checks write, in Pleo's wording; a test runs them all.
_JOURNAL: Final = re.compile(r"Journal \(company (.+?)\) missing: ")
_ACCOUNT: Final = re.compile(r"Account (.+?) missing: provide account ")
_ROLES: Final = re.compile(r"(?P<roles>.+) \((?P<currency>[^()]+)\)")
_LINE: Final = re.compile(r" ?\(line \d+\)$")
_NO_LINES: Final = "(item has no lines)"
_UNKNOWN: Final = (
    ("gl_account_exists", "account_unknown", re.compile(r"Account No\. (.+) does not exist in ")),
    ("tax_code_exists", "tax_unknown", re.compile(r"Tax Code (.+) does not exist in ")),
    ("tag_exists", "tag_unknown", re.compile(r"Tag with code (.+) does not exist on ")),
)


class Cause(msgspec.Struct, array_like=True, frozen=True):
    """What has to be mended.

    Attributes:
        kind: What sort of cause, a key of the remedies.
        subject: What it is about: a code, a name, a company, a check; "" if the kind says it all.
        detail: A second subject: the currency.
        reason: The words of the check, where they are all that is known.
        blocking: Whether items fail by it; a warning does not.
    """

    kind: str
    subject: str = ""
    detail: str = ""
    reason: str = ""
    blocking: bool = True


def cause_of(finding: dict[str, Any], vendor: str = "") -> Cause:
    """Return the cause of a finding that did not pass.

    Args:
        finding: An entry of `validationChecks`; members may be missing.
        vendor: Name of the item's vendor.
    """
    check, reason = shown(finding.get("check")), shown(finding.get("failureReason"), REASON)
    blocking = finding.get("severity") != "warning"
    if finding.get("status") == "error":
        return Cause("check_broke", check, blocking=blocking)
    if check == "required_configuration":
        return _missing_configuration(reason, shown(finding.get("path")))
    if check == "expense_gl_account":
        return _missing_account(reason)
    if check == "vendor_exists":
        return Cause("vendor_unknown", vendor)
    for name, kind, pattern in _UNKNOWN:
        if check == name and (found := pattern.match(reason)):
            return Cause(kind, found[1])
    return Cause("own_rule", check, reason=reason or shown(finding.get("failureReasonType")), blocking=blocking)


def reported(kind: str, reason: str) -> Cause:
    """Return the cause of an item that Pleo lists as failed although its check passed.

    Args:
        kind: Pleo's item failure type.
        reason: What the integration reported.
    """
    return Cause("reported", kind, reason=reason)


def _missing_configuration(reason: str, path: str) -> Cause:
    if found := _JOURNAL.match(reason):
        return Cause("journal_missing", found[1])
    if found := _ACCOUNT.match(reason):
        parts = _ROLES.fullmatch(found[1])
        name, currency = (parts["roles"], parts["currency"]) if parts else (found[1], "")
        return Cause("wallet_missing" if path == "/contraAccount" else "account_missing", name, currency)
    if reason.startswith("Vendor missing"):
        return Cause("vendor_missing")
    return Cause("own_rule", "required_configuration", reason=reason)


def _missing_account(reason: str) -> Cause:
    found = _ACCOUNT.match(reason)
    if not found:
        return Cause("own_rule", "expense_gl_account", reason=reason)
    if found[1] == _NO_LINES:
        return Cause("no_lines")
    name = _LINE.sub("", found[1])
    return Cause("category_without_account", name) if name else Cause("line_without_category")
