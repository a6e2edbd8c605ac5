"""The booking table: the vouchers of an export item, and the accounts of their roles. No I/O.

The shipped table is `schemas/booking.json`; the setting `booking` replaces it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tap_pleo_export.validation.item import account_key, amount_of, key_of, lines_of, vendor_of, wallet_money

if TYPE_CHECKING:
    from tap_pleo_export.validation.vocabulary import Method, Record

ANY = "*"
"""The fallback among companies, currencies of an account, and documents of a journal."""

LINE = "line"
"""The role of the item's lines: each line's own account, with its tax."""

PAYABLE, WALLET, JOURNAL, VENDOR = "accountsPayable", "wallet", "journal", "vendor"
ASSUMPTION = "assumption"
ZERO = "The amount is zero"
SKIPPED = "The booking table skips this type"
MAX_CACHED = 1024
"""Number of cached bookings: a company has few accounts."""

Way = Literal["out", "in"]
ByKey = str | dict[str, str] | None
"""A code, or codes by wallet currency or document (or `*`)."""


@dataclass(frozen=True, slots=True)
class Company:
    """Journal and accounts that a company configures; null and empty ones are None.

    Attributes:
        journal: Code of the journal, or codes by document.
        accounts: By role, a code or codes by wallet currency.
    """

    journal: ByKey = None
    accounts: dict[str, ByKey] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VoucherRule:
    """A voucher of a row.

    Attributes:
        document: bill, payment, expense …
        debit: Roles in order; the first with an account is debited.
        credit: The same for the credit.
        basis: Source of the rule: documented, double_entry, assumption …
    """

    document: str
    debit: tuple[str, ...]
    credit: tuple[str, ...]
    basis: str


# Compared by identity: it is a key for each item.
@dataclass(frozen=True, slots=True, eq=False)
class BookingRow:
    """A row of the table.

    Attributes:
        vouchers: One or two; empty if there is nothing to book.
        roles: All roles of the vouchers.
        way: Direction of the money, seen from the company.
        vendor_required: Whether an item without a vendor fails.
        ambiguous: Whether the item's subtype is null and would decide the direction.
    """

    vouchers: tuple[VoucherRule, ...]
    roles: frozenset[str]
    way: Way
    vendor_required: bool
    ambiguous: bool = False


class BookingTable:
    """Rows of `{when: {method?, types?, subTypes?}, vouchers, way, vendor?}` or `{when, skip}`; the first match wins.

    Args:
        rows: Valid by `schemas/booking.schema.json`.
    """

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = [(row["when"], _row(row)) for row in rows]
        self.find = lru_cache(MAX_CACHED)(self._find)

    def _find(self, method: Method, type_: str | None, sub_type: str | None) -> BookingRow | None:
        """Return the row of an item; None if no row matches."""
        found = self._first(method, type_, sub_type)
        if found is None or sub_type is not None:
            return found and found[1]
        when, row = found
        ambiguous = when.get("subTypes") != [None] and len(self._ways(method, type_)) > 1
        return replace(row, ambiguous=ambiguous)

    def _first(self, *item: str | None) -> tuple[dict[str, Any], BookingRow] | None:
        return next(((when, row) for when, row in self._rows if _matches(when, *item)), None)

    def _ways(self, method: Method, type_: str | None) -> set[Way]:
        """Return the directions of a type, over its subtypes."""
        named = {name for when, _ in self._rows for name in when.get("subTypes", ()) if _matches(when, method, type_)}
        found = [self._first(method, type_, name) for name in named]
        return {row.way for _, row in filter(None, found) if row.vouchers}


class Leg(msgspec.Struct, frozen=True):
    """One side of a voucher.

    Attributes:
        role: `line`, or a role of the configuration.
        account: Code, or else identifier; None for `line`, and if nothing is configured.
    """

    role: str
    account: str | None = None


class Voucher(msgspec.Struct, frozen=True):
    """A voucher of a record's `posting`; its members are described in `schemas/validation_streams.json`."""

    document: str
    journal: str | None
    debit: Leg
    credit: Leg
    way: Way
    basis: str


# Compared by identity: it is the key of its encoded form.
class Posting(msgspec.Struct, frozen=True, eq=False):
    """How an item is booked.

    Attributes:
        outcome: Result of the booking table and the checks.
        reason: Reason for any outcome but `booked`.
        vouchers: Empty unless booked.
    """

    outcome: Literal["booked", "failed", "nothing_to_book"]
    reason: str | None = None
    vouchers: tuple[Voucher, ...] = ()


NO_ROW = Posting("failed", "The booking table does not decide how to book the item")


class MissingRole(msgspec.Struct, frozen=True):
    """A role without an account; `journal` and `vendor` count as roles.

    Attributes:
        roles: The alternatives, of which one is needed.
        documents: The documents that need it.
    """

    roles: tuple[str, ...]
    documents: tuple[str, ...]


class Booking(msgspec.Struct, frozen=True, eq=False):
    """How the table and the configuration book an item; shared by items that are booked alike.

    Attributes:
        method: How the item is recorded.
        row: The row of the table; None if no row matches.
        posting: The item's posting if it passes all checks.
        missing: Roles without an account.
        fault: Error of an item whose shape prevents booking.
        books_lines: Whether a voucher books the item's lines.
        is_assumption: Whether a voucher rests on an assumption.
    """

    method: Method
    row: BookingRow | None = None
    posting: Posting = NO_ROW
    missing: tuple[MissingRole, ...] = ()
    fault: Exception | None = None
    books_lines: bool = False
    is_assumption: bool = False


OwnParts = tuple[bool, str | None, str | None, bool]
"""The item's parts: whether a line to book has an account, its wallet, its payables account, and a vendor or not."""


class Bookings:
    """Books items by a table and the companies' configuration.

    Args:
        table: The booking table.
        companies: By company id in lower case; `*` is the fallback.
        vendor_accounts: Payables account by vendor code or external id.
    """

    def __init__(
        self, table: BookingTable, companies: Mapping[str, Company], vendor_accounts: Mapping[str, str]
    ) -> None:
        self._find = table.find
        self._companies = companies
        self._fallback = companies.get(ANY, Company())
        self._vendor_accounts = vendor_accounts
        self._nothing = lru_cache(MAX_CACHED)(_nothing)
        self._booked = lru_cache(MAX_CACHED)(self._resolve)

    def book(self, record: Record, method: Method) -> Booking:
        """Return how an export item (OpenAPI `ExportItemV3`) is booked."""
        row = self._find(method, record.get("type"), record.get("subType") or None)
        if row is None:
            return Booking(method)
        if not row.vouchers:
            return self._nothing(method, row, SKIPPED)
        lines = lines_of(record) if LINE in row.roles else []
        money = wallet_money(record.get("amount"))
        if money.get("value") == 0 and not any(amount_of(line.get("lineAmount")) for line in lines):
            return self._nothing(method, row, ZERO)
        vendor = vendor_of(record, method) if row.vendor_required or self._vendor_accounts else None
        own = (
            any(account_key(line.get("account")) for line in lines),
            account_key(record.get("contraAccount")),
            self._payable(record, vendor[1]) if vendor else None,
            vendor is not None,
        )
        return self._booked(method, row, record.get("companyId"), key_of(money, "currency"), own)

    def _payable(self, record: Record, vendor: str | None) -> str | None:
        """Return the vendor's own payables account."""
        known = self._vendor_accounts
        if not known or vendor is None:
            return None
        return known.get(vendor) or known.get(key_of(record.get("vendor") or {}, "externalId") or "")

    def _resolve(
        self, method: Method, row: BookingRow, company: str | None, currency: str | None, own: OwnParts
    ) -> Booking:
        has_categories, wallet, payable, has_vendor = own
        configured = self._companies.get(company.lower(), self._fallback) if company else self._fallback
        accounts = {role: _choose(codes, currency) for role, codes in configured.accounts.items()}
        accounts |= {role: code for role, code in ((WALLET, wallet), (PAYABLE, payable)) if code}
        missing: dict[tuple[str, ...], list[str]] = {}

        def leg(roles: tuple[str, ...], document: str) -> Leg:
            if roles == (LINE,) or (LINE in roles and has_categories):
                return Leg(LINE)
            role = next((role for role in roles if accounts.get(role)), None)
            if role is None:
                missing.setdefault(roles, []).append(document)
                return Leg(roles[-1])
            return Leg(role, accounts[role])

        vouchers = []
        for rule in row.vouchers:
            journal = _choose(configured.journal, rule.document)
            if row.vendor_required and not has_vendor:
                missing.setdefault((VENDOR,), []).append(rule.document)
            if journal is None:
                missing.setdefault((JOURNAL,), []).append(rule.document)
            debit, credit = leg(rule.debit, rule.document), leg(rule.credit, rule.document)
            vouchers.append(Voucher(rule.document, journal, debit, credit, row.way, rule.basis))
        lacking = tuple(MissingRole(roles, tuple(documents)) for roles, documents in missing.items())
        return Booking(
            method,
            row,
            Posting("booked", vouchers=tuple(vouchers)),
            lacking,
            books_lines=any(LINE in (voucher.debit.role, voucher.credit.role) for voucher in vouchers),
            is_assumption=any(voucher.basis == ASSUMPTION for voucher in vouchers),
        )


def _nothing(method: Method, row: BookingRow, reason: str) -> Booking:
    return Booking(method, row, Posting("nothing_to_book", reason))


def _choose(codes: ByKey, key: str | None) -> str | None:
    """Return a code by currency or document."""
    return codes.get(key or ANY) or codes.get(ANY) if isinstance(codes, dict) else codes


def _row(row: Mapping[str, Any]) -> BookingRow:
    vouchers = tuple(
        VoucherRule(each["document"], _roles(each["debit"]), _roles(each["credit"]), each.get("basis", "configured"))
        for each in row.get("vouchers", ())
    )
    roles = frozenset(role for voucher in vouchers for role in (*voucher.debit, *voucher.credit))
    return BookingRow(vouchers, roles, row.get("way", "out"), row.get("vendor") == "required")


def _roles(side: str | list[str]) -> tuple[str, ...]:
    return (side,) if isinstance(side, str) else tuple(side)


def _matches(when: Mapping[str, Any], method: str | None, type_: str | None, *sub_type: str | None) -> bool:
    """Return whether a row is for an item, or for its type if no subtype is given."""
    return (
        when.get("method", method) == method
        and type_ in when.get("types", (type_,))
        and all(name in when.get("subTypes", (name,)) for name in sub_type)
    )


def account_roles(rows: list[dict[str, Any]]) -> set[str]:
    """Return the roles that a valid table expects in `accounts`."""
    return {role for row in rows for role in _row(row).roles} - {LINE}
