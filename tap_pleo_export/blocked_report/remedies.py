"""What a bookkeeper is told about a cause: what is wrong, what to do, and who can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tap_pleo_export.blocked_report.text import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_pleo_export.blocked_report.causes import Cause

SETTING: Final = "Pleo setting"
ITEM: Final = "Item in Pleo"
INTEGRATION: Final = "Integration configuration"
ACCOUNTING: Final = "Accounting system"

WHO: Final = {
    SETTING: "An admin or bookkeeper, in Pleo’s settings",  # noqa: RUF001 - typography
    ITEM: "A bookkeeper, in the item itself",
    INTEGRATION: "Whoever runs the integration",
    ACCOUNTING: "Whoever keeps the accounting system’s lists",  # noqa: RUF001 - typography
}
"""Who can do something at a place."""

_ROLES: Final = {
    "wallet": "wallet account",
    "outOfPocket": "out-of-pocket account",
    "contra": "contra account",
    "accountsPayable": "accounts payable account",
}
_SHORT: Final = "Or the list that the integration checks against is out of date: then it needs a new one."
_SHORT_ID: Final = 13


class Remedy(NamedTuple):
    """What a cause means to a person.

    Attributes:
        title: What is wrong.
        advice: What to do about it.
        places: Where it can be done; :data:`WHO` says by whom.
    """

    title: str
    advice: str
    places: tuple[str, ...]


def remedy(cause: Cause) -> Remedy:
    """Return what to do about a cause."""
    return _REMEDIES[cause.kind](cause)


def _journal_missing(cause: Cause) -> Remedy:
    company = "a company that is not named" if cause.subject == "unknown" else f"company {_short(cause.subject)}"
    return Remedy(
        f"No journal for {company}",
        "Give the company a journal in the integration’s configuration: the one that its entries are booked to.",  # noqa: RUF001
        (INTEGRATION,),
    )


def _accounts(cause: Cause) -> str:
    names = [_ROLES.get(role, f"account “{role}”") for role in cause.subject.split(" or ")]
    return " or ".join(names)


def _currency(cause: Cause) -> str:
    return "" if cause.detail in {"", "currency unknown"} else f" for {cause.detail}"


def _wallet_missing(cause: Cause) -> Remedy:
    here = _currency(cause)
    if not all(role in _ROLES for role in cause.subject.split(" or ")):
        return Remedy(
            f"The contra account{here} has no code",
            f"In Pleo, Settings > Accounting > Contra accounts, choose an account with a code{here}.",
            (SETTING,),
        )
    return Remedy(
        f"No contra account{here}",
        "In Pleo, Settings > Accounting > Contra accounts, choose the account that stands for the Pleo wallet"
        f"{here}; then export again. Or have the {_accounts(cause)}{here} added to the integration’s configuration.",  # noqa: RUF001
        (SETTING, INTEGRATION),
    )


def _account_missing(cause: Cause) -> Remedy:
    accounts, here = _accounts(cause), _currency(cause)
    return Remedy(
        f"No {accounts}{here}",
        f"Have the {accounts}{here} added to the integration’s configuration, with its code in the accounting system.",  # noqa: RUF001
        (INTEGRATION,),
    )


def _vendor_missing(_cause: Cause) -> Remedy:
    return Remedy("No vendor selected", "Open each item in Pleo and select its vendor; then export it again.", (ITEM,))


def _no_lines(_cause: Cause) -> Remedy:
    return Remedy(
        "Nothing to book: the item has no lines",
        "Open each item in Pleo and give it a category; then export it again.",
        (ITEM,),
    )


def _line_without_category(_cause: Cause) -> Remedy:
    return Remedy(
        "A line has no category",
        "Open each item in Pleo and choose a category for every line; then export it again.",
        (ITEM,),
    )


def _category_without_account(cause: Cause) -> Remedy:
    return Remedy(
        f"Category “{cause.subject}” has no account code",
        f"In Pleo, Settings > Accounting, give the category “{cause.subject}” its account code; then export again.",
        (SETTING,),
    )


def _account_unknown(cause: Cause) -> Remedy:
    return Remedy(
        f"Account {cause.subject} is not in the accounting system",
        f"Open account {cause.subject} there, or give the category another account in Pleo. {_SHORT}",
        (ACCOUNTING, SETTING),
    )


def _tax_unknown(cause: Cause) -> Remedy:
    return Remedy(
        f"Tax code {cause.subject} is not in the accounting system",
        f"Add tax code {cause.subject} there, or choose another one in Pleo. {_SHORT}",
        (ACCOUNTING, SETTING),
    )


def _tag_unknown(cause: Cause) -> Remedy:
    return Remedy(
        f"Tag {cause.subject} is not in the accounting system",
        f"Add the tag with code {cause.subject} there, or choose another one in Pleo. {_SHORT}",
        (ACCOUNTING, ITEM),
    )


def _vendor_unknown(cause: Cause) -> Remedy:
    name = f"Vendor “{cause.subject}”" if cause.subject else "A vendor"
    return Remedy(
        f"{name} is not in the accounting system, or is blocked there",
        f"Add or unblock the vendor there, or select another one in Pleo. {_SHORT}",
        (ACCOUNTING, ITEM),
    )


def _check_broke(cause: Cause) -> Remedy:
    return Remedy(
        f"The check “{cause.subject}” could not be run",
        "Nothing is known to be wrong with these items: tell whoever runs the integration that the check breaks here.",
        (INTEGRATION,),
    )


def _reported(cause: Cause) -> Remedy:
    return Remedy(
        cause.reason or words(cause.subject) or "Refused without a reason",
        "The accounting system or the integration refused these items when they were recorded. Mend what it says, then"
        " export them again.",
        (ACCOUNTING,),
    )


def _own_rule(cause: Cause) -> Remedy:
    check = f"the rule “{cause.subject}”" if cause.subject else "a check"
    return Remedy(
        cause.reason or "Failed without a reason",
        f"These words come from {check}. Correct the items in Pleo accordingly, then export them again.",
        (ITEM,),
    )


def _short(identity: str) -> str:
    return identity if len(identity) <= _SHORT_ID else identity.partition("-")[0]


_REMEDIES: Final[dict[str, Callable[[Cause], Remedy]]] = {
    "journal_missing": _journal_missing,
    "wallet_missing": _wallet_missing,
    "account_missing": _account_missing,
    "vendor_missing": _vendor_missing,
    "no_lines": _no_lines,
    "line_without_category": _line_without_category,
    "category_without_account": _category_without_account,
    "account_unknown": _account_unknown,
    "tax_unknown": _tax_unknown,
    "tag_unknown": _tag_unknown,
    "vendor_unknown": _vendor_unknown,
    "check_broke": _check_broke,
    "reported": _reported,
    "own_rule": _own_rule,
}
