"""Fill a new Tryton database: run by the Python of Tryton's environment, never imported by anything else.

``python tryton_setup.py CONFIGURATION DATABASE`` reads a JSON document from standard input: `user`, `password`,
`years`, and `companies` with `name`, `currency`, `closed` (first days of closed months) and `accounts` (`code`, `name`,
`kind`).
"""

import datetime as dt
import json
import sys
from collections.abc import Container
from decimal import Decimal
from typing import Any

from proteus import Model, config

BALANCE: dict[str, Any] = {"statement": "balance"}
KINDS: dict[str, dict[str, Any]] = {
    "asset": BALANCE | {"assets": True},
    "payable": BALANCE | {"payable": True},
    "employee": BALANCE,
    "tax": BALANCE | {"debt": True},
    "expense": {"statement": "income", "expense": True},
    "income": {"statement": "income", "revenue": True},
}
PARTIES = ("payable", "employee")
GROUPS = ("Accounting", "Party Administration")


def add(model: str, **values: Any) -> Any:
    """Save and return a new record."""
    record = Model.get(model)(**values)
    record.save()
    return record


def currency(code: str) -> Any:
    """Return a currency with two decimals."""
    found = Model.get("currency.currency").find([("code", "=", code)])
    return found[0] if found else add("currency.currency", name=code, code=code, rounding=Decimal("0.01"), digits=2)


def company(described: dict[str, Any]) -> Any:
    """Return a new company."""
    party = add("party.party", name=described["name"])
    return add("company.company", party=party, currency=currency(described["currency"]))


def accounts(owner: Any, described: dict[str, Any]) -> None:
    """Add the accounts of a company, each with a type of its kind."""
    types = {kind: add("account.account.type", name=kind, company=owner, **values) for kind, values in KINDS.items()}
    for account in described["accounts"]:
        kind = account["kind"]
        is_personal = kind in PARTIES
        record = Model.get("account.account")(company=owner, code=account["code"], name=account["name"])
        record.type = types[kind]
        record.party_required = record.reconcile = is_personal
        record.save()


def sequence(kind: str, name: str, prefix: str, owner: Any) -> Any:
    """Return a new sequence of numbers."""
    (type_,) = Model.get("ir.sequence.type").find([("name", "=", kind)], limit=1)
    return add("ir.sequence.strict", name=name, sequence_type=type_, company=owner, prefix=prefix)


def fiscal_year(owner: Any, year: int, closed: Container[str]) -> None:
    """Add a year with its months, and close some."""
    record = Model.get("account.fiscalyear")(name=str(year), company=owner)
    record.start_date, record.end_date = dt.date(year, 1, 1), dt.date(year, 12, 31)
    record.move_sequence = sequence("Account Move", f"{year}", f"JE-{year}-", owner)
    invoices = sequence("Invoice", f"{year}", f"BILL-{year}-", owner)
    (row,) = record.invoice_sequences
    for name in ("in_invoice", "in_credit_note", "out_invoice", "out_credit_note"):
        setattr(row, f"{name}_sequence", invoices)
    record.save()
    record.click("create_period")
    for period in Model.get("account.period").find([("fiscalyear", "=", record.id)]):
        if period.start_date.isoformat() in closed:
            period.click("close")


def main() -> None:
    """Read the description, fill the database, write the companies' ids."""
    settings = config.set_trytond(sys.argv[2], config_file=sys.argv[1])
    described = json.load(sys.stdin)
    add("account.journal", name="Pleo", code="PLEO", type="general")
    users = Model.get("res.user")
    admin, companies = users(config.get_config().user), {}
    for each in described["companies"]:
        made = companies[each["name"]] = company(each)
        admin.companies.append(Model.get("company.company")(made.id))
        admin.company, admin.company_filter, admin.password = made, "all", described["password"]
        admin.save()
        settings._context = users.get_preferences(True, {})  # noqa: FBT003, SLF001 - as Tryton's own scenarios do
        accounts(made, each)
        for year in described["years"]:
            fiscal_year(made, year, each.get("closed", ()))
    user = users(name=described["user"], login=described["user"], password=described["password"])
    user.groups.extend(Model.get("res.group").find([("name", "in", GROUPS)]))
    user.companies.extend(Model.get("company.company").find([]))
    user.company, user.company_filter = user.companies[0], "all"
    user.save()
    json.dump({name: made.id for name, made in companies.items()}, sys.stdout)


if __name__ == "__main__":
    main()
