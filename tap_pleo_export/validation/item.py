"""What the checks read in an export item (OpenAPI `ExportItemV3`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_pleo_export.validation.vocabulary import BALANCE_MOVES

if TYPE_CHECKING:
    from tap_pleo_export.validation.verdict import Method, Record


def bookkeeping_method(record: Record, null_bookkeeping: Method) -> tuple[Method, bool]:
    """Return how an item is recorded, and whether its method is one that Pleo documents."""
    if record.get("type") in BALANCE_MOVES:
        return "journal", True
    bookkeeping = record.get("bookkeeping")
    if bookkeeping is None:
        return null_bookkeeping, True
    method = bookkeeping.get("method") if isinstance(bookkeeping, dict) else bookkeeping
    if method == "accounts_payable":
        return "accounts_payable", True
    return "journal", method in ("journal", "none")


def key_of(entity: dict[str, Any], *names: str) -> str | None:
    """Return the first of an entity's members that is neither null nor blank, as text."""
    for name in names:
        value = entity.get(name)
        if value is None:
            continue
        if text := str(value).strip():
            return text
    return None


def lines_of(record: Record) -> list[dict[str, Any]]:
    """Return the accounting entry lines."""
    return record.get("accountingEntryLines") or []


def currency_of(record: Record) -> str | None:
    """Return the wallet currency."""
    amount = (record.get("amount") or {}).get("inWalletCurrency") or {}
    return key_of(amount, "currency")


def vendor_of(record: Record, null_bookkeeping: Method) -> tuple[str, str | None] | None:
    """Return the path and the key of the item's vendor, or of the supplier that stands in; None if there is none."""
    if vendor := record.get("vendor"):
        return "/vendor", key_of(vendor, "code", "externalId")
    if null_bookkeeping == "accounts_payable" and record.get("bookkeeping") is None:
        supplier = record.get("supplier") or {}
        if found := key_of(supplier, "code", "account", "taxIdentifier"):
            return "/supplier", found
    return None
