"""A strict reader of SIE 4I, our own: no independent one runs here. It knows only the records of vouchers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

_ORDER = ("FLAGGA", "PROGRAM", "FORMAT", "GEN", "SIETYP", "ORGNR", "FNAMN", "VALUTA")
_REQUIRED = {"FLAGGA", "PROGRAM", "FORMAT", "GEN", "SIETYP", "FNAMN"}
_FIELD = re.compile(r'"((?:[^"\\]|\\["\\])*)"|(\{[^{}]*\})|([^\s"{}]+)')
_AMOUNT = re.compile(r"-?\d+(\.\d{1,2})?")


@dataclass
class SieVoucher:
    """A voucher: lines are account, amount and objects by dimension."""

    series: str
    number: str
    day: date
    text: str
    lines: list[tuple[str, Decimal, dict[str, str]]] = field(default_factory=list)


@dataclass
class SieFile:
    """Records before the vouchers by label, and the vouchers."""

    head: dict[str, list[str]] = field(default_factory=dict)
    vouchers: list[SieVoucher] = field(default_factory=list)

    @property
    def balances(self) -> dict[str, Decimal]:
        """Balance by account, without those of zero."""
        found: dict[str, Decimal] = {}
        for voucher in self.vouchers:
            for account, amount, _ in voucher.lines:
                found[account] = found.get(account, Decimal()) + amount
        return {account: amount for account, amount in found.items() if amount}


def read(content: bytes) -> SieFile:
    """Return the content of a file.

    Raises:
        AssertionError: The file violates the format.
    """
    text = content.decode("cp437")
    assert not re.search(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]", text), "control characters"
    assert text.endswith("\r\n")
    found, open_voucher = SieFile(), None
    for line in text.removesuffix("\r\n").split("\r\n"):
        label, *fields = _fields(line)
        if label == "{":
            assert found.vouchers
            assert open_voucher is None
            open_voucher = found.vouchers[-1]
            assert not open_voucher.lines
        elif label == "}":
            assert open_voucher is not None
            assert sum(amount for _, amount, _ in open_voucher.lines) == 0, f"not balanced: {open_voucher}"
            assert open_voucher.lines
            open_voucher = None
        elif label == "#TRANS":
            assert open_voucher is not None
            open_voucher.lines.append(_transaction(fields))
        elif label == "#VER":
            assert open_voucher is None
            series, number, day, description = fields
            found.vouchers.append(SieVoucher(series, number, _day(day), description))
        else:
            assert not found.vouchers, f"{label} behind the vouchers"
            found.head[label.removeprefix("#")] = fields
    assert open_voucher is None
    _check_head(found.head)
    return found


def _check_head(head: dict[str, list[str]]) -> None:
    assert list(head) == [name for name in _ORDER if name in head], "unknown records, or in another order"
    assert head.keys() >= _REQUIRED
    assert (head["FLAGGA"], head["FORMAT"], head["SIETYP"]) == (["0"], ["PC8"], ["4"])
    _day(head["GEN"][0])


def _fields(line: str) -> list[str]:
    stripped = line.strip()
    if stripped in {"{", "}"}:
        return [stripped]
    fields = [group or _plain(quoted, plain) for quoted, group, plain in _FIELD.findall(stripped)]
    assert re.sub(r"\s", "", _FIELD.sub("", stripped)) == "", f"not a record: {line}"
    return fields


def _plain(quoted: str, unquoted: str) -> str:
    return unquoted or re.sub(r"\\(.)", r"\1", quoted)


def _transaction(fields: list[str]) -> tuple[str, Decimal, dict[str, str]]:
    account, objects, amount = fields
    assert re.fullmatch(r"[1-9]\d*", account), account
    assert _AMOUNT.fullmatch(amount), amount
    assert objects.startswith("{")
    words = [_plain(quoted, plain) for quoted, _, plain in _FIELD.findall(objects[1:-1])]
    assert len(words) % 2 == 0
    assert set(words[::2]) <= {"1", "6"}
    return account, Decimal(amount), dict(zip(words[::2], words[1::2], strict=True))


def _day(text: str) -> date:
    assert re.fullmatch(r"\d{8}", text)
    return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a day
