"""The built-in checks: functions from a record and its bookkeeping method to findings. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Inexact, InvalidOperation
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import structs

from tap_pleo_export.text import one_line
from tap_pleo_export.validation.booking import JOURNAL, LINE, VENDOR, WALLET
from tap_pleo_export.validation.item import (
    NO_ACCOUNT,
    account_key,
    amount_of,
    currency_of,
    key_of,
    lines_of,
    vendor_of,
    wallet_money,
)
from tap_pleo_export.validation.verdict import Check, Finding, Subject

if TYPE_CHECKING:
    from tap_pleo_export.validation.booking import Booking, MissingRole
    from tap_pleo_export.validation.settings import Settings
    from tap_pleo_export.validation.vocabulary import Record

CONFIGURATION = "required_configuration"
MISSING = "missing_configuration"
INVALID = "invalid_configuration"
VENDOR_UNKNOWN = "vendor_unknown"
NO_LINES = "The item has no lines: give it a category in Pleo"
NO_VENDOR = "Vendor missing: select a vendor for this item"
UNKNOWN_ACCOUNT = "Account No. {} does not exist in the Accounting System. Check Category."
UNKNOWN_TAX = "Tax Code {} does not exist in the Accounting System"
UNKNOWN_TAG = "Tag with code {} does not exist on the Accounting System. Check the Tag."
UNKNOWN_VENDOR = (
    "Selected vendor cannot be processed because it does not exist or is currently blocked. "
    "Please verify the vendor’s status in the accounting system and try again."
)

_EXACT = Context(prec=10_000, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact, InvalidOperation])


def builtin_checks(settings: Settings) -> Iterator[Check]:
    """Yield the built-in checks that these settings enable, in their public order."""
    yield _required_configuration(settings)
    yield _expense_gl_account(settings)
    known = settings.references
    for list_name, check in _LINE_CHECKS.items():
        if list_name in known:
            yield _codes_exist(check, known[list_name])
    if "vendors" in known:
        yield _vendor_exists(known["vendors"], settings)
    yield Check("amounts_add_up", "error", _amounts_add_up, _BOOKING)
    yield Check("known_type", "error", _known_type, _BOOKING)
    yield Check("tax_is_booked", "warning", _tax_is_booked, _BOOKING)


_BOOKING = frozenset({"type", "subType", "bookkeeping", "amount", "accountingEntryLines"})
"""Members that decide whether an item and its lines are booked."""


def _required_configuration(settings: Settings) -> Check:
    def judge(record: Record, booking: Booking) -> Sequence[Finding]:
        if booking.fault:
            raise booking.fault
        return [_missing(missing, record) for missing in booking.missing]

    reads = {"companyId", "contraAccount", "vendor"} | _supplier(settings)
    return Check(CONFIGURATION, "error", judge, _BOOKING | reads)


def _supplier(settings: Settings) -> set[str]:
    return {"supplier"} if settings.null_bookkeeping == "accounts_payable" else set()


def _missing(missing: MissingRole, record: Record) -> Finding:
    """Describe a missing role in Pleo's words, with the documents that need it."""
    role, *others = (role for role in missing.roles if role != LINE)
    alternatives = tuple(others) + ((LINE,) if LINE in missing.roles else ())
    subject = Subject(role, alternatives, document=missing.documents[0])
    if role == VENDOR:
        return _failed(CONFIGURATION, VENDOR_UNKNOWN, NO_VENDOR, "/vendor", subject)
    company, currency = record.get("companyId") or None, currency_of(record.get("amount"))
    needed = f" (needed for: {', '.join(missing.documents)})"
    subject = structs.replace(subject, company_id=company)
    if role == JOURNAL:
        label = f"(company {company or 'unknown'})"
        reason = f"Journal {label} missing: provide journal {label} in the configurations{needed}"
        return _failed(CONFIGURATION, MISSING, reason, "/companyId", subject)
    path, name = "/companyId", None
    if role == WALLET:
        path, name = "/contraAccount", key_of(record.get("contraAccount") or {}, "name")
    label = f"{' or '.join([role, *others])} ({currency or 'currency unknown'})"
    return _account_missing(CONFIGURATION, label, path, structs.replace(subject, name=name, currency=currency), needed)


def _expense_gl_account(settings: Settings) -> Check:
    name, exempt = "expense_gl_account", settings.gl_account_not_required_for

    def judge(record: Record, booking: Booking) -> Sequence[Finding]:
        if not booking.books_lines or record.get("type") in exempt:
            return ()
        lines = lines_of(record)
        if not lines:
            return [_failed(name, MISSING, NO_LINES, "/accountingEntryLines", Subject("glAccount"))]
        return [
            _no_category(name, index, line.get("account") or {})
            for index, line in enumerate(lines)
            if not account_key(line.get("account"))
        ]

    return Check(name, "error", judge, _BOOKING)


def _no_category(check: str, index: int, account: Record) -> Finding:
    path, number = f"/accountingEntryLines/{index}/account", index + 1
    # A known name or code, but no usable account; the all-zero account counts as missing.
    name = None if account.get("id") == NO_ACCOUNT else key_of(account, "name")
    subject = Subject("glAccount", line=number, name=name)
    if name:
        return _account_missing(check, f"{name} (line {number})", path, subject)
    return _failed(check, MISSING, f"Line {number} has no category: choose one in Pleo", path, subject)


def _amounts_add_up(record: Record, booking: Booking) -> Sequence[Finding]:
    """Check that an item has an amount, and that the lines to book have the same total and currency."""
    if not booking.posting.vouchers:
        return ()
    whole = wallet_money(record.get("amount"))
    total = whole.get("value")
    if total is None:
        return [_wrong_amount("The item has no amount: correct it in Pleo", "/amount")]
    if not booking.books_lines:
        return ()
    currency, values = key_of(whole, "currency"), []
    for index, line in enumerate(lines_of(record)):
        part = wallet_money(line.get("lineAmount"))
        value = part.get("value")
        if value is None:
            reason = f"Line {index + 1} has no amount: correct the item in Pleo"
        elif (own := key_of(part, "currency")) != currency:
            reason = f"Line {index + 1} is in {own}, the item in {currency}: correct the item in Pleo"
        else:
            values.append(value)
            continue
        return [_wrong_amount(reason, f"/accountingEntryLines/{index}/lineAmount", line=index + 1)]
    # A sum that would be rounded raises Inexact.
    found = reduce(_EXACT.add, values, Decimal(0))
    if found == total or not values:
        return ()
    reason = f"The lines add up to {found}, the item to {total} ({currency}, minor units): correct the lines in Pleo"
    return [_wrong_amount(reason, "/amount", currency=currency)]


def _wrong_amount(reason: str, path: str, **subject: Any) -> Finding:  # noqa: ANN401 - members of Subject
    return _failed("amounts_add_up", "validation_failure", reason, path, Subject("amount", **subject))


def _known_type(record: Record, booking: Booking) -> Sequence[Finding]:
    """Check that a row of the booking table decides how the item is booked."""
    row = booking.row
    if row and not row.ambiguous:
        return ()
    type_, sub_type = record.get("type"), record.get("subType")
    if row is None and not booking.fault:
        named = f"{type_} with subtype {sub_type}" if sub_type else type_
        text = f"Type {one_line(str(named))} is not in the booking table"
    elif row and (amount_of(record.get("amount")) or 0) < 0:
        text = f"A negative {type_} without a subtype may be a payment or its return"
    else:
        return ()
    subject = Subject("type", code=type_, name=sub_type)
    return [_failed("known_type", INVALID, f"{text}: give it a row in 'booking'", "/type", subject)]


def _tax_is_booked(record: Record, booking: Booking) -> Sequence[Finding]:
    """Warn of tax on lines that are not booked, such as those of a settlement."""
    if not booking.posting.vouchers or booking.books_lines:
        return ()
    found = []
    for index, line in enumerate(lines_of(record)):
        tax = amount_of((line.get("tax") or {}).get("amount"))
        if tax:
            reason = f"Line {index + 1} has tax of {tax} (minor units), which is not booked: {record.get('type')}"
            subject = Subject("tax", line=index + 1, currency=currency_of(line["tax"]["amount"]))
            path = f"/accountingEntryLines/{index}/tax"
            found.append(Finding("tax_is_booked", "failed", "warning", "validation_failure", reason, path, subject))
    return found


class _LineCheck(NamedTuple):
    """A check that all codes of a member of the lines are in a reference list."""

    id: str
    role: str
    member: str
    reason: str
    codes: Callable[[Record], list[str | None]]


def _codes_exist(check: _LineCheck, known: frozenset[str]) -> Check:
    name, role, member, reason, codes = check

    def judge(record: Record, booking: Booking) -> Sequence[Finding]:
        if not booking.books_lines:
            return ()
        findings = []
        for index, line in enumerate(lines_of(record)):
            for place, code in enumerate(codes(line)):
                if code and code not in known:
                    path = f"/accountingEntryLines/{index}/{member}" + (f"/{place}" if member == "tags" else "")
                    subject = Subject(role, line=index + 1, code=code)
                    findings.append(_failed(name, INVALID, reason.format(code), path, subject))
        return findings

    return Check(name, "error", judge, _BOOKING)


def _account_codes(line: Record) -> list[str | None]:
    return [account_key(line.get("account"))]


def _tax_codes(line: Record) -> list[str | None]:
    return [key_of(line.get("tax") or {}, "code")]


def _tag_codes(line: Record) -> list[str | None]:
    return [key_of(tag or {}, "code") for tag in line.get("tags") or ()]


_LINE_CHECKS = {
    "gl_accounts": _LineCheck("gl_account_exists", "glAccount", "account", UNKNOWN_ACCOUNT, _account_codes),
    "tax_codes": _LineCheck("tax_code_exists", "taxCode", "tax", UNKNOWN_TAX, _tax_codes),
    "tags": _LineCheck("tag_exists", "tag", "tags", UNKNOWN_TAG, _tag_codes),
}
"""By reference list."""


def _vendor_exists(known: frozenset[str], settings: Settings) -> Check:
    name = "vendor_exists"

    def judge(record: Record, booking: Booking) -> Sequence[Finding]:
        own = vendor_of(record, booking.method) if booking.posting.vouchers else None
        if own is None or own[1] in known:
            return ()
        path, code = own
        subject = Subject("vendor", code=code, name=key_of(record[path[1:]], "name"))
        return [_failed(name, VENDOR_UNKNOWN, UNKNOWN_VENDOR, path, subject)]

    return Check(name, "error", judge, _BOOKING | {"vendor"} | _supplier(settings))


def _failed(check: str, kind: str, reason: str, path: str, subject: Subject) -> Finding:
    return Finding(check, "failed", "error", kind, reason, path, subject)


def _account_missing(check: str, label: str, path: str, subject: Subject, needed: str = "") -> Finding:
    """Return the finding that an account is not provided; its label may end with its place in brackets."""
    reason = f"Account {label} missing: provide account {label} in the configurations{needed}"
    return _failed(check, MISSING, reason, path, subject)
