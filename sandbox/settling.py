"""Events in Pleo after an export: suppliers are paid, employees repaid, entries corrected and exported again."""

from __future__ import annotations

from copy import deepcopy
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, Final

from sandbox.balances import Balances
from sandbox.items import make_item
from sandbox.jobs import stamp
from sandbox.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from sandbox.items import Company
    from sandbox.jobs import Job
    from sandbox.values import Json
    from sandbox.world import World

PAID = Kind("invoice_payment", "invoice_payment_sent")
PAYMENT_RETURNED = Kind("invoice_payment", "invoice_payment_returned")
REPAID = Kind("direct_reimbursement", "reimbursement_to_employee")
BOUNCED = Kind("direct_reimbursement", "reimbursement_to_employee_refund")
REPAID_OUTSIDE = Kind("external_reimbursement", "reimbursement_to_employee")
PAID_BACK = Kind("direct_reimbursement", "reimbursement_to_company")
PAID_BACK_OUTSIDE = Kind("external_reimbursement", "reimbursement_to_company")
# How the first debts are settled, all others as the last.
PAYMENTS: Final = ((PAID, PAYMENT_RETURNED, PAID), (PAID,))
REPAYMENTS: Final = ((REPAID, BOUNCED, REPAID), (REPAID_OUTSIDE,), (REPAID,))
PAYBACKS: Final = ((PAID_BACK,), (PAID_BACK_OUTSIDE,))
NO_SUPPLIER: Final = dict.fromkeys(("supplier", "vendor", "bookkeeping"))
PARTIES: Final = ("user", "team", "supplier", "vendor", "bookkeeping")


def settle(pleo: World, job: Job) -> Job:
    """Add a job in which a company's invoices are paid and its employees repaid, so that nothing is owed.

    The first payment and the first reimbursement bounce and are made again; one employee is repaid outside Pleo.
    Employees who owe more than they are owed pay it back, one of them outside Pleo.
    """
    company = pleo.company_of(job)
    items = pleo.entries(company.id)
    events = [*_payments(pleo, company, items), *_reimbursements(pleo, company, items)]
    return pleo.add_job(items=events, company_id=company.id)


def export_again(pleo: World, job: Job) -> Job:
    """Add a job with every second entry of an earlier one again, its amounts doubled."""
    return pleo.add_job(items=[_doubled(item) for item in job.items[::2]], company_id=job.record["companyId"])


def export_corrected(pleo: World, job: Job) -> Job:
    """Add a job with the failed items of an earlier one, now with categories and vendors."""
    company = pleo.company_of(job)
    failed = [deepcopy(item) for item in job.items if job.item_statuses[item["accountingEntryId"]] == "failed"]
    for item in failed:
        item["vendor"] = item["vendor"] or company.vendors[0]
        for line in item["accountingEntryLines"]:
            line["account"] = company.accounts[0]
    return pleo.add_job(items=failed, company_id=company.id)


def _payments(pleo: World, company: Company, items: list[Json]) -> Iterator[Json]:
    ways = _each(PAYMENTS)
    for invoice in (item for item in items if item["type"] == "invoice"):
        value = invoice["amount"]["inWalletCurrency"]["value"]
        for kind in next(ways):
            payment = _event(pleo, company, kind, invoice, value)
            paid = {"status": "paid", "paymentDate": payment["date"]}
            information = invoice["additionalInformation"]["invoiceInformation"] | paid
            payment["additionalInformation"]["invoiceInformation"] = information
            yield payment


def _reimbursements(pleo: World, company: Company, items: list[Json]) -> Iterator[Json]:
    repayments, paybacks = _each(REPAYMENTS), _each(PAYBACKS)
    owed = {user: value for (user, _), value in Balances.after(items).employees.items() if value}
    for user, value in owed.items():
        settled = [item for item in items if (item["user"] or {}).get("id") == user and _is_owed(item)]
        for kind in next(repayments if value > 0 else paybacks):
            event = _event(pleo, company, kind, settled[0] | NO_SUPPLIER, value)
            ids = [item["additionalInformation"]["reconciliationId"] for item in settled]
            event["additionalInformation"]["reconciledEntries"] = None if kind is BOUNCED else ids
            yield event


def _each(ways: tuple[tuple[Kind, ...], ...]) -> Iterator[tuple[Kind, ...]]:
    return chain(ways, repeat(ways[-1]))


def _is_owed(item: Json) -> bool:
    return any(Balances.after([item]).employees.values())


def _event(pleo: World, company: Company, kind: Kind, like: Json, value: Decimal | int) -> Json:
    """Return an event between the parties of another item; its sign is the company's."""
    now = pleo.now()
    event = make_item(pleo.rng, company, 0, now, [kind._replace(value=abs(int(value)))])
    parties: dict[str, Any] = {name: deepcopy(like[name]) for name in PARTIES}
    return event | parties | {"date": stamp(now)}


def _doubled(value: Json) -> Json:
    """Return a copy in which each amount is twice as large."""
    if isinstance(value, list):
        return [_doubled(member) for member in value]
    if not isinstance(value, dict):
        return value
    changed = {name: _doubled(member) for name, member in value.items()}
    return changed | {"value": 2 * value["value"]} if value.keys() == {"currency", "value"} else changed
