"""Causes of findings, and the remedy of each. Findings with the same cause are fixed by the same action."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from tap_pleo_export.blocked_report.text import MAX_REASON, clean_text, words

SETTING: Final = "Pleo setting"
ITEM: Final = "Item in Pleo"
INTEGRATION: Final = "Integration configuration"
ACCOUNTING: Final = "Accounting system"
PLACES: Final = {
    SETTING: "An admin or bookkeeper, in Pleo’s settings",
    ITEM: "A bookkeeper, in the item itself",
    INTEGRATION: "Whoever runs the integration",
    ACCOUNTING: "Whoever maintains the accounting system’s lists",
}
"""Places where causes are fixed, and who can do it."""

_ACCOUNTS: Final = {
    "wallet": "wallet account",
    "outOfPocket": "out-of-pocket account",
    "contra": "contra account",
    "accountsPayable": "accounts payable account",
    "externalReimbursement": "account for external reimbursements",
    "fees": "account for fees",
    "otherIncome": "account for other income",
}
_OTHER_LIST: Final = "Or update the list that the integration checks against, if it is outdated."
_MAX_SHORT_ID: Final = 13


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


class Remedy(NamedTuple):
    """A problem, how to fix it, and where: keys of :data:`PLACES`."""

    title: str
    advice: str
    places: tuple[str, ...]


# The fields are those of `remedy_of`.
_REMEDIES: Final = {
    "journal_missing": Remedy(
        "No journal for {company}",
        "Add a journal for the company’s entries to the integration’s configuration.",
        (INTEGRATION,),
    ),
    "wallet_missing": Remedy(
        "No contra account{for_currency}",
        "In Pleo, Settings > Accounting > Contra accounts, choose the account that represents the Pleo wallet"
        "{for_currency}; then export again. Or have the {name}{for_currency} added to the integration’s configuration.",
        (SETTING, INTEGRATION),
    ),
    "category_or_account_missing": Remedy(
        "No category and no {name}{for_currency}",
        "Have the {name}{for_currency} added to the integration’s configuration; or open each item in Pleo, give it a"
        " category and export it again.",
        (INTEGRATION, ITEM),
    ),
    "type_unknown": Remedy(
        "{name} is not in the booking table",
        "Give it a row in the setting “booking” of the integration’s configuration, as your accountant books it.",
        (INTEGRATION,),
    ),
    "amounts_differ": Remedy(
        "The amounts of item and lines do not agree",
        "Open each item in Pleo, correct its lines so that they add up to the item’s amount, and export it again.",
        (ITEM,),
    ),
    "tax_not_booked": Remedy(
        "Tax on an item without a tax posting",
        "Check these items with your accountant: payments and reimbursements are booked without their tax.",
        (ACCOUNTING,),
    ),
    "account_missing": Remedy(
        "No {name}{for_currency}",
        "Have the {name}{for_currency} added to the integration’s configuration, with its code in the accounting"
        " system.",
        (INTEGRATION,),
    ),
    "vendor_missing": Remedy(
        "No vendor selected",
        "Open each item in Pleo and select its vendor; then export it again.",
        (ITEM,),
    ),
    "no_lines": Remedy(
        "Nothing to book: the item has no lines",
        "Open each item in Pleo and give it a category; then export it again.",
        (ITEM,),
    ),
    "line_without_category": Remedy(
        "A line has no category",
        "Open each item in Pleo and choose a category for every line; then export it again.",
        (ITEM,),
    ),
    "category_without_account": Remedy(
        "Category “{name}” has no account code",
        "In Pleo, Settings > Accounting, give the category “{name}” its account code; then export again.",
        (SETTING,),
    ),
    "account_unknown": Remedy(
        "Account {name} is not in the accounting system",
        f"Open account {{name}} there, or give the category another account in Pleo. {_OTHER_LIST}",
        (ACCOUNTING, SETTING),
    ),
    "tax_unknown": Remedy(
        "Tax code {name} is not in the accounting system",
        f"Add tax code {{name}} there, or choose another one in Pleo. {_OTHER_LIST}",
        (ACCOUNTING, SETTING),
    ),
    "tag_unknown": Remedy(
        "Tag {name} is not in the accounting system",
        f"Add the tag with code {{name}} there, or choose another one in Pleo. {_OTHER_LIST}",
        (ACCOUNTING, ITEM),
    ),
    "vendor_unknown": Remedy(
        "{vendor} is not in the accounting system, or is blocked there",
        f"Add or unblock the vendor there, or select another one in Pleo. {_OTHER_LIST}",
        (ACCOUNTING, ITEM),
    ),
    "check_broke": Remedy(
        "The check “{name}” could not be run",
        "These items may be correct. Report to whoever runs the integration that the check fails on them.",
        (INTEGRATION,),
    ),
    "refused": Remedy(
        "{reason}",
        "The accounting system or the integration refused these items when they were recorded. Fix the reason given,"
        " then export them again.",
        (ACCOUNTING,),
    ),
    "rule": Remedy(
        "{reason}",
        "This is the text of {rule}. Correct the items in Pleo accordingly, then export them again.",
        (ITEM,),
    ),
}


def remedy_of(cause: Cause) -> Remedy:
    """Return the problem and its remedy in words."""
    remedy = _REMEDIES[cause.kind]
    company = cause.name if len(cause.name) <= _MAX_SHORT_ID else cause.name.partition("-")[0]
    texts = {
        "name": cause.name,
        "company": f"company {company}" if cause.name else "an unnamed company",
        "vendor": f"Vendor “{cause.name}”" if cause.name else "A vendor",
        "rule": f"the rule “{cause.name}”" if cause.name else "a check",
        "for_currency": f" for {cause.currency}" if cause.currency else "",
        "reason": cause.reason,
    }
    return Remedy(remedy.title.format_map(texts), remedy.advice.format_map(texts), remedy.places)


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


def _built_in(check: str, subject: dict[str, Any]) -> Cause | None:
    name, code = clean_text(subject.get("name")), clean_text(subject.get("code"))
    match check:
        case "required_configuration":
            return _missing(subject)
        case "expense_gl_account" if subject.get("line") is None:
            return Cause("no_lines")
        case "expense_gl_account":
            return Cause("category_without_account", name) if name else Cause("line_without_category")
    return _of_name(check, name, code)


def _of_name(check: str, name: str, code: str) -> Cause | None:
    """Return the cause of a check that has only one."""
    causes = {
        "amounts_add_up": Cause("amounts_differ"),
        "known_type": Cause("type_unknown", words(": ".join(filter(None, (code, name))))),
        "tax_is_booked": Cause("tax_not_booked", blocking=False),
        "vendor_exists": Cause("vendor_unknown", name or code),
        "gl_account_exists": Cause("account_unknown", code),
        "tax_code_exists": Cause("tax_unknown", code),
        "tag_exists": Cause("tag_unknown", code),
    }
    return causes.get(check)


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
