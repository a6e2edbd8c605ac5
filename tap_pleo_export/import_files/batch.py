"""Shared by the formats: files and refusals of a run, and rules for vouchers and texts. No I/O."""

from __future__ import annotations

import calendar
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from tap_pleo_export.books.vouchers import Leg, Voucher

Rows = TypeVar("Rows")
_PRODUCT_ROLES = frozenset({"line", "ingoingTax", "outgoingTax"})
_CENT = Decimal("0.01")
_DASHES, _SPACES = "Pd", "Zs"


class Unsuitable(Exception):
    """A format does not take a voucher; the message is the reason with its remedy."""


@dataclass(frozen=True)
class Batch:
    """The vouchers of a company and a month that are written together.

    Attributes:
        company: Pleo's uuid.
        month: First day of the posting period.
        number: Counts the batches of this company, month and format.
        created: Time of writing.
    """

    company: str
    month: date
    number: int
    created: datetime

    @property
    def last_day(self) -> date:
        """Last day of the posting period."""
        return self.month.replace(day=calendar.monthrange(self.month.year, self.month.month)[1])

    def file_name(self, prefix: str, ending: str, part: int = 0) -> str:
        """Return the name of a file, which no other batch uses; `part` counts the files of one batch."""
        parts = (f"{prefix}{self.company[:8]}", f"{self.month:%Y-%m}", str(self.number), *([str(part)] if part else []))
        return f"{'_'.join(parts)}.{ending}"


@dataclass(frozen=True)
class File:
    """A file with the ids of its vouchers: the first is number 1 of the file."""

    name: str
    content: bytes
    vouchers: tuple[str, ...]


@dataclass(frozen=True)
class Refusal:
    """A voucher that is in no file, and the reason with its remedy."""

    voucher_id: str
    reason: str


@dataclass
class Written:
    """The result of a format: files, refusals, and how often a text was changed, by the kind of change."""

    files: list[File] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    changes: Counter[str] = field(default_factory=Counter)


def sort_out(
    vouchers: Iterable[Voucher], rows: Callable[[Voucher], Rows]
) -> tuple[list[tuple[Voucher, Rows]], list[Refusal]]:
    """Return the vouchers that a format takes, each with its rows, and the refusals.

    Later vouchers of a refused one's entry are refused, too: no payment without its bill.
    """
    taken, refused = [], []
    first: dict[str, str] = {}
    for voucher in vouchers:
        if earlier := first.get(voucher.entry):
            refused.append(Refusal(voucher.id, f"waits for {earlier} of the same entry, which is refused"))
            continue
        try:
            taken.append((voucher, rows(voucher)))
        except Unsuitable as reason:
            first[voucher.entry] = voucher.id
            refused.append(Refusal(voucher.id, str(reason)))
    return taken, refused


def check(voucher: Voucher, batch: Batch, currency: str, decimals: int | None = 2) -> None:
    """Check a voucher for every format: balance, accounts, period, currency of the books, decimals.

    Raises:
        Unsuitable: With the first reason found.
    """
    if not batch.month <= voucher.posting_date <= batch.last_day:
        raise Unsuitable(f"posted on {voucher.posting_date}, outside {batch.month:%Y-%m}: write that month's file")
    if currency and voucher.currency != currency:
        raise Unsuitable(f"in {voucher.currency}, but the books are in {currency}: book it by hand at your bank's rate")
    if len(voucher.legs) < 2 or sum((leg.amount for leg in voucher.legs), Decimal()):  # noqa: PLR2004 - double entry
        raise Unsuitable("its legs do not add up to zero: build the models again, and report it if it persists")
    if decimals is not None and voucher.decimals > decimals:
        raise Unsuitable(f"amounts with more than {decimals} decimals: build the models with pleo_round: true")
    for leg in voucher.legs:
        if not leg.account:
            raise Unsuitable(f"leg {leg.number} ({leg.role}) has no account: give its category an account in Pleo")


def check_number(account: str, digits: int, system: str) -> str:
    """Return an account if it is a number with at most this many digits.

    Raises:
        Unsuitable: It is something else.
    """
    if not (account.isascii() and account.isdigit()):
        raise Unsuitable(f"account {account!r} is not a number: give it a numeric code, {system} takes digits only")
    if account.startswith("0"):
        raise Unsuitable(f"account {account} starts with 0, which {system} drops: use its code without the zero")
    if len(account) > digits:
        raise Unsuitable(f"account {account} has more than {digits} digits: use a shorter code, or check the lengths")
    return account


def only_code(leg: Leg, group: str) -> str:
    """Return the code of a leg's tag of a group, empty without one.

    Raises:
        Unsuitable: There are several, and the format has room for one.
    """
    codes = leg.tags.get(group, ()) if group else ()
    if len(codes) > 1:
        raise Unsuitable(f"leg {leg.number} has {len(codes)} tags of {group!r}: leave one of them in Pleo")
    return codes[0] if codes else ""


def against_counter(voucher: Voucher) -> list[tuple[Leg, Leg]]:
    """Return the legs of a voucher, each with its counter leg; the amounts are the first legs'.

    The two legs of a reverse charge counter each other. The others have the wallet, payable or other account that is
    not a line's, or else the only leg of their side, as their counter leg.

    Raises:
        Unsuitable: Several debits have several credits, so which belongs to which is unknown.
    """
    rest, pairs = list(voucher.legs), []
    for leg in [leg for leg in rest if leg.vat == "reverse_in"]:
        match = next((other for other in rest if other.vat == "reverse_out" and other.amount == -leg.amount), None)
        if match:
            pairs.append((leg, match))
            rest.remove(leg)
            rest.remove(match)
    counter = _counter(rest)
    if rest and counter is None:
        raise Unsuitable("several debits against several credits: book it by hand, or use a format with a row per leg")
    return [(leg, counter) for leg in rest if counter is not None and leg is not counter] + pairs


def _counter(legs: list[Leg]) -> Leg | None:
    sides = (
        [leg for leg in legs if leg.role == "wallet"],
        [leg for leg in legs if leg.role not in _PRODUCT_ROLES],
        [leg for leg in legs if leg.amount > 0],
        [leg for leg in legs if leg.amount < 0],
    )
    return next((side[0] for side in sides if len(side) == 1), None)


def has_unsplit_tax(leg: Leg) -> bool:
    """Return whether the amount of a leg includes tax."""
    return leg.vat == "gross" and leg.tax_amount != 0


def described(voucher: Voucher) -> str:
    """Return a voucher's text; a reversal says that it is one."""
    return f"Reversal: {voucher.text}" if voucher.kind == "reversal" else voucher.text


def cents(amount: Decimal, mark: str = ".") -> str:
    """Return an amount of at most two decimals with exactly two."""
    return format(amount.quantize(_CENT), "f").replace(".", mark)


def fit(text: str, place: str, changes: Counter[str], length: int | None = None, encoding: str = "utf-8") -> str:
    """Return a text for a field: on one line, in the characters of the encoding, cut to a length.

    Changes of characters and cuts are counted, by place.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    known = "".join(_encodable(character, encoding) for character in line)
    if known != line:
        changes[f"{place}: characters that {encoding} does not have, replaced"] += 1
    if length is not None and len(known) > length:
        changes[f"{place}: longer than {length} characters, cut"] += 1
        known = known[:length].rstrip()
    return known


def _encodable(character: str, encoding: str) -> str:
    """Return the character, else a similar one: its letter without marks, a plain dash, quote or space, or `?`."""
    for text in (character, *_similar(character)):
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            continue
        return text
    return "?"


def _similar(character: str) -> Iterable[str]:
    yield "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
    category, name = unicodedata.category(character), unicodedata.name(character, "")
    if category in {_DASHES, _SPACES}:
        yield "-" if category == _DASHES else " "
    if "QUOTATION MARK" in name:
        yield '"' if "DOUBLE" in name else "'"
    if name == "EURO SIGN":
        yield "EUR"
    # LATIN SMALL LETTER O WITH STROKE: the letter itself.
    words = name.split()
    if words[:1] == ["LATIN"] and "LETTER" in words[:3]:
        letters = words[words.index("LETTER") + 1]
        yield letters if words[1] == "CAPITAL" else letters.lower()
