"""Causes of findings, and the remedy of each. Findings with the same cause are fixed by the same action."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

import msgspec

from tap_pleo_export.blocked_report.text import MAX_REASON, clean_text, short_id, type_name, words

_ACCOUNTS: Final = {
    "wallet": "wallet account",
    "outOfPocket": "out-of-pocket account",
    "contra": "contra account",
    "accountsPayable": "accounts payable account",
    "externalReimbursement": "account for external reimbursements",
    "fees": "account for fees",
    "otherIncome": "account for other income",
}


class Cause(msgspec.Struct, array_like=True, frozen=True):
    """A cause of findings.

    Attributes:
        kind: Key of its remedy.
        name: Code, name, company, accounts or check concerned, or "".
        reason: Text of a check or of Pleo, for causes without a specific remedy.
        blocking: False for a warning.
    """

    kind: str
    name: str = ""
    currency: str = ""
    reason: str = ""
    blocking: bool = True


_UNKNOWN: Final = {
    "gl_account_exists": "account_unknown",
    "tax_code_exists": "tax_unknown",
    "tag_exists": "tag_unknown",
    "vendor_exists": "vendor_unknown",
}
_WITHOUT_NAME: Final = {
    "amounts_add_up": Cause("amounts_differ"),
    "tax_is_booked": Cause("tax_not_booked", blocking=False),
}


class Remedy(msgspec.Struct, frozen=True):
    """A problem, how to fix it, and where: keys of :data:`PLACES`."""

    title: str
    advice: str
    places: tuple[str, ...]


class _Texts(msgspec.Struct):
    """The file `remedies.json`; remedies by kind of cause, their fields are those of :func:`remedy_of`."""

    places: dict[str, str]
    remedies: dict[str, Remedy]


_TEXTS: Final = msgspec.json.decode(resources.files(__package__).joinpath("remedies.json").read_bytes(), type=_Texts)
PLACES: Final = _TEXTS.places
"""Places where causes are fixed, and who can do it."""
_IN_PLEO: Final = {"Pleo setting", "Item in Pleo"}


def remedy_of(cause: Cause) -> Remedy:
    """Return the problem and its remedy in words."""
    remedy = _TEXTS.remedies[cause.kind]
    texts = {
        "name": cause.name,
        "company": f"company {short_id(cause.name)}" if cause.name else "an unnamed company",
        "vendor": f"Vendor “{cause.name}”" if cause.name else "A vendor",
        "rule": f"the rule “{cause.name}”" if cause.name else "a check",
        "for_currency": f" for {cause.currency}" if cause.currency else "",
        "reason": cause.reason,
    }
    return Remedy(remedy.title.format_map(texts), remedy.advice.format_map(texts), remedy.places)


def is_fixed_in_pleo(cause: Cause) -> bool:
    """Return whether the first place to fix a cause is in Pleo."""
    return _TEXTS.remedies[cause.kind].places[0] in _IN_PLEO


def refused(failure_type: str, reason: str) -> Cause:
    """Return the cause of an item that passed its checks and that Pleo lists as failed."""
    return Cause("refused", reason=reason or words(failure_type) or "Refused without a reason")


def cause_of(finding: dict[str, Any]) -> Cause:
    """Return the cause of an entry of `validationChecks` that did not pass. Older versions wrote no `subject`."""
    check = clean_text(finding.get("check"))
    is_blocking = finding.get("severity") != "warning"
    if finding.get("status") == "error":
        return Cause("check_broke", check, blocking=is_blocking)
    subject = finding.get("subject")
    if isinstance(subject, dict) and (cause := _built_in(check, subject)):
        return cause
    reason = clean_text(finding.get("failureReason"), MAX_REASON) or clean_text(finding.get("failureReasonType"))
    return Cause("rule", check, reason=reason or "Failed without a reason", blocking=is_blocking)


def with_company_names(causes: tuple[Cause, ...], names: Mapping[str, str]) -> tuple[Cause, ...]:
    """Return causes with names of companies in place of their ids, which are the keys of `names` in lower case."""
    return tuple(
        msgspec.structs.replace(cause, name=names.get(cause.name.lower(), cause.name))
        if cause.kind == "journal_missing"
        else cause
        for cause in causes
    )


def _built_in(check: str, subject: dict[str, Any]) -> Cause | None:
    name, code = clean_text(subject.get("name")), clean_text(subject.get("code"))
    match check:
        case "required_configuration":
            return _missing(subject)
        case "expense_gl_account" if subject.get("line") is None:
            return Cause("no_lines")
        case "expense_gl_account":
            return Cause("category_without_account", name) if name else Cause("line_without_category")
        case "known_type":
            return Cause("type_unknown", ": ".join(filter(None, (type_name(code), name.replace("_", " ")))))
    if check in _UNKNOWN:
        return Cause(_UNKNOWN[check], name or code)
    return _WITHOUT_NAME.get(check)


def _missing(subject: dict[str, Any]) -> Cause:
    alternatives = subject.get("alternatives")
    others = map(clean_text, alternatives if isinstance(alternatives, list) else [])
    roles = [clean_text(subject.get("role")), *others]
    match roles[0]:
        case "journal":
            return Cause("journal_missing", clean_text(subject.get("companyId")))
        case "vendor":
            return Cause("vendor_missing")
    currency = clean_text(subject.get("currency"))
    currency = "" if currency == "UNDEFINED" else currency
    names = " or ".join(_ACCOUNTS.get(role, f"account “{role}”") for role in roles if role != "line")
    kind = "wallet_missing" if "wallet" in roles else "account_missing"
    return Cause("category_or_account_missing" if "line" in roles else kind, names, currency)
