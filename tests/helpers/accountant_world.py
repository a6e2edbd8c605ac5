"""Two months of a company's spending, whose books `docs/warehouse.md` asks questions about."""

from __future__ import annotations

from typing import Any

from tests.helpers.voucher_records import COMPANY, Load, failed, item, line

PRIYA = {"id": "u-1", "name": "Priya Nair", "code": "17"}
JONAS = {"id": "u-2", "name": "Jonas Weber", "code": "23"}
NORDLYS = {"name": "Nordlys", "code": "V-1", "externalId": None}
PAPYRUS = {"name": "Papyrus", "code": "V-2", "externalId": None}
RECEIPT = [{"url": "https://files.example/1", "type": "pdf", "size": 1000}]

RECORD = (
    "insert into pleo_recorded (voucher_id, external_id, recorded_at) "
    "select voucher_id, 'JE-' || left(voucher_id, 4), timestamp with time zone '2026-11-25 12:00:00+00' "
    "from pleo__vouchers_to_book"
)
BALANCE = f"insert into pleo_balances values ('{COMPANY}', 'EUR', date '2026-11-30', 926)"  # noqa: S608 - a constant
"""Pleo's balance of the wallet, worked out by hand: the top-up and the refund, less all payments."""


def taxed(gross: int, tax: int, account: str, code: str = "T19", **members: Any) -> dict[str, Any]:
    """Return a line in cents with tax that is part of it."""
    return line(gross, account, net=gross - tax, tax={"amount": tax, "code": code} | members)


def bought(
    day: str, user: dict[str, Any], supplier: tuple[str, str], *lines: dict[str, Any], files: Any = RECEIPT
) -> dict[str, Any]:
    """Return the members of a purchase; supplier is name and country."""
    return {
        "date": f"{day}T10:00:00Z",
        "user": user,
        "supplier": dict(zip(("name", "country"), supplier, strict=True)),
        "accountingEntryLines": list(lines),
        "files": files,
    }


def billed(day: str, vendor: dict[str, Any], number: str, due: str, amount: int, tax: int) -> dict[str, Any]:
    """Return the members of an invoice."""
    invoice = {"invoiceNumber": number, "dueDate": due, "invoiceDate": day}
    return bought(day, PRIYA, (vendor["name"], "DE"), taxed(amount, tax, "6815")) | {
        "vendor": vendor,
        "additionalInformation": {"reconciliationId": number, "invoiceInformation": invoice},
    }


def _moved(day: str, user: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    return {"date": f"{day}T10:00:00Z", "user": user, "supplier": None, "accountingEntryLines": []} | members


SAS = ("SAS", "DK")
HOTEL = ("Hotel Adlon", "DE")
CAFE = ("Café Ørsted", "DE")
ODD_TAX = line(14900, "7310", net=13900, tax={"amount": 975, "code": "T7"})
"""Net and tax are 25 cents less than gross."""
ITEMS: dict[str, dict[str, Any]] = {
    "top_up": item(1, "wallet_topup", 200000, **_moved("2026-10-01")),
    "train": item(2, amount=11900, **bought("2026-10-06", PRIYA, ("Deutsche Bahn", "DE"), taxed(11900, 1900, "7310"))),
    "flight": item(3, amount=25000, **bought("2026-11-05", JONAS, SAS, taxed(25000, 5000, "7310", "T25"), files=[])),
    "servers": item(
        4,
        amount=23800,
        **bought("2026-11-08", PRIYA, ("Hetzner", "DE"), taxed(23800, 3800, "6805")),
        servicePeriod={"from": "2026-11-01", "to": "2027-02-28"},
    ),
    "design": item(
        5,
        amount=10000,
        **bought(
            "2026-11-10",
            PRIYA,
            ("Figma", "IE"),
            line(10000, "6805", tax={"amount": 1900, "code": "R19", "type": "reverse", "outgoing": "1787"}),
        ),
    ),
    "refund": item(6, "refund", -5000, **bought("2026-11-20", PRIYA, ("Hetzner", "DE"), taxed(-5000, -798, "6805"))),
    "drive": item(7, "mileage", 4500, **_moved("2026-11-12", JONAS)) | {"accountingEntryLines": [line(4500, "6673")]},
    "days": item(8, "per_diem", 2800, **_moved("2026-11-12", JONAS)) | {"accountingEntryLines": [line(2800, "6674")]},
    "lunch": item(9, "out_of_pocket", 6000, **bought("2026-11-14", PRIYA, CAFE, line(6000, "6640"), files=[])),
    "payout": item(
        10,
        "direct_reimbursement",
        7300,
        **_moved("2026-11-20", JONAS),
        additionalInformation={"reconciliationId": "RE-1", "reconciledEntries": ["CR000007", "CR000008"]},
    ),
    "gift": item(11, "personal_spend", 2500, **_moved("2026-11-16", PRIYA), files=RECEIPT),
    "old_invoice": item(12, "invoice", 119000, **billed("2026-10-12", NORDLYS, "INV-7", "2026-10-31", 119000, 19000)),
    "new_invoice": item(13, "invoice", 47600, **billed("2026-11-16", NORDLYS, "INV-9", "2026-12-15", 47600, 7600)),
    "paid_invoice": item(14, "invoice", 17900, **billed("2026-11-02", PAPYRUS, "P-77", "2026-11-30", 17900, 2858)),
    "payment": item(15, "invoice_payment", 17900, **_moved("2026-11-25", vendor=PAPYRUS)),
    "hotel": item(16, amount=14900, **bought("2026-11-21", JONAS, HOTEL, ODD_TAX)),
    "cancelled": item(17, amount=0, **bought("2026-11-22", JONAS, SAS, line(0, "7310"))),
}
UNBOOKED = {
    "taxi": failed(item(18, amount=3100, **bought("2026-11-23", JONAS, ("Taxi Nord", "DE"), line(3100, None)))),
    "elsewhere": item(19, amount=1000, **bought("2026-11-24", PRIYA, ("Deutsche Bahn", "DE"), line(1000, "7310"))),
}
"""Exported later: one fails its checks, another integration booked the other."""


def first_load() -> Load:
    """Return the load before the ledger records anything."""
    load = Load()
    load.job(1)
    for record in ITEMS.values():
        load.deliver(1, record)
    return load


def second_load() -> Load:
    """Return the next load: the outcome of most entries, and the flight again, with a lower amount."""
    load = Load()
    for name, record in ITEMS.items():
        if name not in {"hotel", "cancelled"}:
            load.status(1, record["accountingEntryId"], "successful")
    load.job(2)
    again = ITEMS["flight"] | {"amount": item(3, amount=20000)["amount"]}
    load.deliver(2, again | {"accountingEntryLines": [taxed(20000, 4000, "7310", "T25")]})
    load.deliver(2, UNBOOKED["taxi"])
    load.deliver(2, UNBOOKED["elsewhere"], "successful")
    load.rows[-1][1]["externalId"] = "X-1"
    return load
