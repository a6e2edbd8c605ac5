"""Reads members of an export item (OpenAPI `ExportItemV3`)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tap_pleo_export.validation.vocabulary import BALANCE_MOVES, TAGGABLE

if TYPE_CHECKING:
    from tap_pleo_export.validation.vocabulary import Method, Record

NO_ACCOUNT = "00000000-0000-0000-0000-000000000000"
_NOTHING: dict[str, Any] = {}


def bookkeeping_method(record: Record, null_bookkeeping: Method) -> tuple[Method, bool]:
    """Return how an item is recorded, and whether Pleo documents its bookkeeping method."""
    if record.get("type") in BALANCE_MOVES:
        return "journal", True
    bookkeeping = record.get("bookkeeping")
    if bookkeeping is None:
        return null_bookkeeping if record.get("type") in TAGGABLE else "journal", True
    method = bookkeeping.get("method") if isinstance(bookkeeping, dict) else bookkeeping
    if method == "accounts_payable":
        return "accounts_payable", True
    return "journal", method in ("journal", "none")


def key_of(entity: dict[str, Any], *names: str) -> str | None:
    """Return the first of these members that is neither null nor blank, as text."""
    for name in names:
        value = entity.get(name)
        if value is not None and (text := str(value).strip()):
            return text
    return None


def lines_of(record: Record) -> list[dict[str, Any]]:
    """Return the accounting entry lines."""
    return record.get("accountingEntryLines") or []


def wallet_money(money: dict[str, Any] | None) -> dict[str, Any]:
    """Return currency and value of an amount in the wallet currency (OpenAPI `MoneyV3`); empty without one."""
    return (money or _NOTHING).get("inWalletCurrency") or _NOTHING


def currency_of(money: dict[str, Any] | None) -> str | None:
    """Return the wallet currency of an amount."""
    return key_of(wallet_money(money), "currency")


def amount_of(money: dict[str, Any] | None) -> int | Decimal | None:
    """Return an amount in the wallet currency, in minor units."""
    return wallet_money(money).get("value")


def account_key(account: dict[str, Any] | None) -> str | None:
    """Return an account's code, or else its identifier; None for the all-zero id, which is "I don't know" in Pleo."""
    if not account or account.get("id") == NO_ACCOUNT:
        return None
    return key_of(account, "code", "identifier")


def vendor_of(record: Record, method: Method) -> tuple[str, str | None] | None:
    """Return path and key of the item's vendor, or of the supplier used instead; None if it has neither."""
    if vendor := record.get("vendor"):
        return "/vendor", key_of(vendor, "code", "externalId")
    if method == "accounts_payable" and record.get("bookkeeping") is None:
        supplier = record.get("supplier") or {}
        if found := key_of(supplier, "code", "account", "taxIdentifier"):
            return "/supplier", found
    return None
