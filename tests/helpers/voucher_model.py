"""The rules of vouchers in plain Python: the legs of an item, and the vouchers of an entry over time."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from typing import Any

EXACT = Context(prec=100)
DECIMALS = {"JPY": 0, "KWD": 3, "UYW": 4}

Leg = tuple[str, str | None, Decimal, str | None]
"""Role, account, amount in minor units (debits are positive) and part of the tax."""


def legs(record: dict[str, Any], *, vat: str = "split", tolerance: int = 1, whole: bool = True) -> dict[str, list[Leg]]:
    """Return the legs of each document of an item that is to be booked."""
    found = {}
    vouchers = record["posting"]["vouchers"]
    amount = _number(record["amount"])
    signed = any(v["way"] == "out" and "line" in (v["debit"]["role"], v["credit"]["role"]) for v in vouchers)
    total = amount if signed else abs(amount)
    factor = 1 if signed or amount >= 0 else -1
    for voucher in vouchers:
        parts: list[Leg] = []
        for sign, side in ((1, voucher["debit"]), (-1, voucher["credit"])):
            if side["role"] == "line":
                split = [leg for line in record["accountingEntryLines"] for leg in _of_line(line, vat, tolerance)]
                turned = [(role, account, factor * value, part) for role, account, value, part in split]
                shared = _round(turned, total) if whole else turned
                parts += [
                    (role, account, sign * value, part)
                    for (role, account, value, part), before in zip(shared, turned, strict=True)
                    if before[2]
                ]
            else:
                parts.append((side["role"], side["account"], sign * (_half_up(total) if whole else total), None))
        found[voucher["document"]] = parts
    return found


def _of_line(line: dict[str, Any], vat: str, tolerance: int) -> list[Leg]:
    gross, tax = _number(line["lineAmount"]), line["tax"]
    account = ((line["account"] or {}).get("code") or "").strip() or None
    if tax is None or not _number(tax["amount"]):
        unknown = tax is not None and tax["amount"] is None and tax["rate"]
        return [("line", account, gross, "gross" if unknown else "net" if tax and tax["code"] else None)]
    value = _number(tax["amount"])
    ingoing, outgoing = tax["ingoingTaxAccount"], tax["outgoingTaxAccount"]
    local = tax["amount"]["inWalletCurrency"]["currency"] == line["lineAmount"]["inWalletCurrency"]["currency"]
    if vat == "split" and local and tax["type"] == "reverse" and ingoing and outgoing:
        return [
            ("line", account, gross, "net"),
            ("ingoingTax", ingoing, value, "reverse_in"),
            ("outgoingTax", outgoing, -value, "reverse_out"),
        ]
    can_split = vat == "split" and local and tax["type"] != "reverse" and ingoing and line["netAmount"]
    if can_split and abs(gross - _number(line["netAmount"]) - value) <= tolerance:
        return [("line", account, gross - value, "net"), ("ingoingTax", ingoing, value, "tax")]
    return [("line", account, gross, "gross")]


def _round(parts: list[Leg], total: Decimal) -> list[Leg]:
    """Round to whole units by the largest remainder, on magnitudes."""
    sign = -1 if total < 0 else 1
    floors = {i: (sign * p[2]).to_integral_value(ROUND_FLOOR) for i, p in enumerate(parts) if not _is_pair(p)}
    rest = int(_half_up(abs(total)) - sum(floors.values()))
    order = sorted(floors, key=lambda i: (floors[i] - sign * parts[i][2], i))
    for i in order[:rest]:
        floors[i] += 1
    return [
        (role, account, sign * floors[i] if i in floors else _half_up(value), part)
        for i, (role, account, value, part) in enumerate(parts)
    ]


def _is_pair(leg: Leg) -> bool:
    return leg[3] in ("reverse_in", "reverse_out")


def _half_up(value: Decimal) -> Decimal:
    return value.to_integral_value(ROUND_HALF_UP)


def _number(amount: dict[str, Any] | None) -> Decimal:
    value = (amount or {"inWalletCurrency": {"value": None}})["inWalletCurrency"]["value"]
    return Decimal(0) if value is None else Decimal(value)


@dataclass
class Delivery:
    """One entry in one job.

    Attributes:
        job: Number of the job; higher ones are younger.
        amount: Amount to book if the verdict is `booked`.
        verdict: `booked` or `failed`.
        status: Of the job's item.
        job_status: Of the job.
    """

    job: int
    amount: int
    verdict: str = "booked"
    status: str = "pending"
    job_status: str = "in_progress"

    @property
    def counts(self) -> bool:
        """Whether the job was not over before the item was final."""
        return self.status in {"successful", "failed"} or (self.status != "abandoned" and self.job_status != "failed")

    @property
    def books(self) -> bool:
        """Whether it is to be booked."""
        return self.counts and self.status != "failed" and self.verdict == "booked" and self.amount != 0


@dataclass
class Entry:
    """An accounting entry's deliveries and vouchers.

    Attributes:
        deliveries: By job.
        vouchers: Published: kind, amount and version.
        recorded: Versions that the accounting system has recorded.
    """

    deliveries: dict[int, Delivery] = field(default_factory=dict)
    vouchers: list[tuple[str, int]] = field(default_factory=list)
    recorded: set[int] = field(default_factory=set)

    @property
    def booked(self) -> int | None:
        """The amount of the newest voucher, None if that is a reversal or no voucher exists."""
        return self.vouchers[-1][1] if self.vouchers and self.vouchers[-1][0] == "booking" else None

    def build(self) -> None:
        """Publish as a build does."""
        wanted = self._wanted()
        if wanted == self.booked:
            return
        if self.booked is not None:
            self.vouchers.append(("reversal", -self.booked))
        if wanted is not None:
            self.vouchers.append(("booking", wanted))

    def _wanted(self) -> int | None:
        latest = [self.deliveries[job] for job in sorted(self.deliveries, reverse=True)]
        deciding = next((delivery for delivery in latest if delivery.counts), None)
        recorded = self.booked is not None and len(self.vouchers) in self.recorded
        if deciding is not None and (deciding is latest[0] or not recorded):
            if deciding.books:
                return deciding.amount
            if deciding.status != "failed" and deciding.verdict == "booked":
                return None  # nothing to book
        if recorded:
            return self.booked
        successful = [delivery for delivery in latest if delivery.status == "successful"]
        if not successful:
            return None
        if self.booked is not None:
            return self.booked
        bookable = [d for d in successful if d.books] + [d for d in latest if d.verdict == "booked" and d.amount]
        return bookable[0].amount if bookable else None
