"""Which open items of vendors clear each other: reversals and bookings, payments and bills."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from tap_pleo_export.ledger.tryton_rpc import TrytonRefusal, TrytonRpc

logger = logging.getLogger(__name__)

PREFIX = "pleo:"
"""Prefix of a voucher's id in the description of its invoice or move."""
_SETTLES = {"payment": ("bill", "payment_returned"), "payment_returned": ("credit_note",)}
_FIELDS = ["account", "party", "debit", "credit", "date", "description", "move.description", "move.origin"]


@dataclass(frozen=True)
class OpenItem:
    """A line of a payable account that nothing clears yet."""

    id: int
    owner: tuple[int, int | None]
    """Account and party."""
    amount: Decimal
    day: date
    entry: str
    document: str
    move: int
    origin: str
    """`account.move,<id>` of the reversed move, or `account.invoice,<id>`."""


def matches(items: Sequence[OpenItem]) -> Iterator[tuple[OpenItem, ...]]:
    """Yield the open items of one vendor that clear each other, oldest first.

    Reversals clear their bookings; then payments clear the bill of their entry, or else the oldest bill of the same
    amount (Pleo does not say which one was paid); the rest is cleared if it adds up to zero.
    """
    left = list(items)

    def pairs(first: OpenItem, among: Collection[OpenItem]) -> Iterator[tuple[OpenItem, ...]]:
        second = next((item for item in among if item in left and item.amount == -first.amount), None)
        if second and first in left:
            left.remove(first)
            left.remove(second)
            yield first, second

    for item in items:
        yield from pairs(item, [other for other in items if item.origin == f"account.move,{other.move}"])
    for item in items:
        if item.document in _SETTLES:
            fitting = [other for other in items if other.document in _SETTLES[item.document]]
            yield from pairs(item, sorted(fitting, key=lambda other: other.entry != item.entry))
    if len(left) > 1 and not sum(item.amount for item in left):
        yield tuple(left)


class Settlement:
    """Clears open items in Tryton."""

    def __init__(self, rpc: TrytonRpc) -> None:
        self._rpc = rpc

    def settle(self, company: int, parties: Collection[int] | None) -> None:
        """Clear what fits among the open items of parties (None: of all, which finishes a killed run)."""
        by_owner = defaultdict(list)
        for item in self._open_items(company, parties):
            by_owner[item.owner].append(item)
        found = [match for items in by_owner.values() for match in matches(items)]
        self._cancel_invoices(company, found)
        groups = [match for match in found if not _is_reversed_invoice(match)]
        try:
            self._reconcile(company, groups)
        except TrytonRefusal:
            for group in groups:
                with self._reported(group):
                    self._reconcile(company, [group])

    @contextmanager
    def _reported(self, match: tuple[OpenItem, ...]) -> Iterator[None]:
        try:
            yield
        except TrytonRefusal as refusal:
            keys = ", ".join(f"{item.entry}/{item.document}" for item in match)
            logger.warning("Tryton did not clear %s: %s. Reconcile them there", keys, refusal)

    def _reconcile(self, company: int, groups: Sequence[tuple[OpenItem, ...]]) -> None:
        values = [
            {
                "company": company,
                "lines": [("add", [item.id for item in group])],
                "date": max(item.day for item in group),
            }
            for group in groups
        ]
        if values:
            self._rpc.call("model.account.move.reconciliation.create", values, company=company)

    def _cancel_invoices(self, company: int, found: Sequence[tuple[OpenItem, ...]]) -> None:
        """Cancel reversed invoices: Tryton then clears them with the reversing move."""
        for match in found:
            if _is_reversed_invoice(match):
                reversal, reversed_ = match
                ids = [int(reversed_.origin.partition(",")[2])]
                with self._reported(match):
                    self._rpc.call("model.account.invoice.write", ids, {"cancel_move": reversal.move}, company=company)
                    self._rpc.call("model.account.invoice.cancel", ids, company=company)

    def _open_items(self, company: int, parties: Collection[int] | None) -> list[OpenItem]:
        conditions: list[object] = [
            ("company", "=", company),
            ("account.type.payable", "=", True),
            ("reconciliation", "=", None),
            ("move_state", "=", "posted"),
            ["OR", ("description", "like", f"{PREFIX}%"), ("move.description", "like", f"{PREFIX}%")],
        ]
        if parties is not None:
            conditions.append(("party", "in", list(parties)))
        rows = self._rpc.search("account.move.line", conditions, _FIELDS, company)
        return [_open_item(row) for row in sorted(rows, key=lambda row: (row["date"], row["id"]))]


def _open_item(row: dict[str, Any]) -> OpenItem:
    move = row["move."]
    # An invoice gives its description, the key, to the line of the account payable; a move has it itself.
    key = str(move["description"] or row["description"]).removeprefix(PREFIX)
    entry, _, rest = key.partition("/")
    return OpenItem(
        id=row["id"],
        owner=(row["account"], row["party"]),
        amount=row["debit"] - row["credit"],
        day=row["date"],
        entry=entry,
        document=rest.partition("/")[0],
        move=move["id"],
        origin=move["origin"] or "",
    )


def _is_reversed_invoice(match: tuple[OpenItem, ...]) -> bool:
    reversal, reversed_, *_ = match
    return reversal.origin == f"account.move,{reversed_.move}" and reversed_.origin.startswith("account.invoice,")
