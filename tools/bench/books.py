"""``python -m tools.bench.books [--vouchers 1000]``: vouchers a second into a local Tryton, and its memory."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import psutil

from tap_pleo_export.books.vouchers import Leg, Party, Voucher
from tap_pleo_export.ledger.booking import batches
from tap_pleo_export.ledger.tryton import Tryton
from tap_pleo_export.ledger.tryton_rpc import PASSWORD_VARIABLE
from tools import postgres, tryton

ACCOUNTS = {"1240": "asset", "2440": "payable", "2640": "tax", "6100": "expense"}
COMPANY = "Company"
DAY = date(2026, 11, 5)
LEGS = {
    "expense": (("line", "6100", "80", "net"), ("ingoingTax", "2640", "20", "tax"), ("wallet", "1240", "-100", "")),
    "bill": (
        ("line", "6100", "80", "net"),
        ("ingoingTax", "2640", "20", "tax"),
        ("accountsPayable", "2440", "-100", ""),
    ),
    "payment": (("accountsPayable", "2440", "100", ""), ("wallet", "1240", "-100", "")),
}


def vouchers(number: int) -> Iterator[Voucher]:
    """Yield half as many expenses, then bills, then their payments, of fifty vendors."""
    documents = ["expense"] * (number // 2) + ["bill"] * (number // 4) + ["payment"] * (number // 4)
    places: Counter[str] = Counter()
    for document in documents:
        place = places[document] = places[document] + 1
        entry = str(UUID(int=place + (len("expense" if document == "expense" else "bill") << 64)))
        legs = (
            Leg(row, role, account, Decimal(amount), vat=vat)
            for row, (role, account, amount, vat) in enumerate(LEGS[document], start=1)
        )
        yield Voucher(
            id=f"{entry}/{document}/1", kind="booking", reverses="", entry=entry, job="", company="", document=document,
            journal="PLEO", voucher_date=DAY, posting_date=DAY, due_date=None, number=f"RE-{entry[-6:]}", text="Lunch",
            type="", currency="EUR", amount=Decimal(100), foreign_currency="", foreign_amount=None,
            vendor=Party(code=f"V-{place % 50}", name=f"Vendor {place % 50}"), employee=Party(code="7", name="Ada"),
            files=(), web_link="", legs=tuple(legs),
        )  # fmt: skip


def main() -> int:
    """Measure, and return 1 if a voucher was refused."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.books", description=__doc__)
    parser.add_argument("--vouchers", type=int, default=1000)
    number = parser.parse_args().vouchers
    accounts = [{"code": code, "name": kind, "kind": kind} for code, kind in ACCOUNTS.items()]
    world = {"years": [DAY.year], "companies": [{"name": COMPANY, "currency": "EUR", "accounts": accounts}]}
    with tempfile.TemporaryDirectory(prefix="pleo-books-") as folder:
        data = Path(folder) / "postgres"
        tryton.copy_cluster(data)
        with postgres.running(data) as server, tryton.running(server, world, folder=Path(folder)) as erp:
            os.environ[PASSWORD_VARIABLE] = erp.password
            ledger = Tryton(COMPANY, url=erp.url, database=erp.database, user=erp.user)
            before = sum(psutil.Process(erp.process.pid).cpu_times()[:2])
            began, refused, done = time.monotonic(), 0, 0
            for batch in batches(vouchers(number)):
                ledger.find_all([voucher.id for voucher in batch])
                answers = list(ledger.book_all(batch))
                refused += sum(hasattr(answer, "reason") for _, answer in answers)
                done += len(answers)
            seconds = time.monotonic() - began
            process = psutil.Process(erp.process.pid)
            memory, cpu = process.memory_info().rss / 2**20, sum(process.cpu_times()[:2]) - before
            unpaid = ledger.rpc.search("account.invoice", [("state", "!=", "paid")], ["id"])
            ledger.close()
    print(f"{done} vouchers in {seconds:.1f} s, {done / seconds:.0f} a second; {refused} refused; ", end="")
    print(f"{len(unpaid)} invoices not paid; Tryton: {cpu:.0f} s of processor time, {memory:.0f} MB")
    return int(refused or bool(unpaid))


if __name__ == "__main__":
    raise SystemExit(main())
