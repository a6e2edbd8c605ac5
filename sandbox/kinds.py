"""Kinds of items: ``KINDS`` of every world, ``VARIED`` with what else Pleo's schemas allow, ``HOSTILE`` beyond them."""

from __future__ import annotations

from decimal import Decimal
from itertools import cycle
from typing import Final, NamedTuple

from sandbox.conformance import definition
from sandbox.oddities import COUNTRIES

CURRENCIES: Final[tuple[str, ...]] = tuple(definition("MoneyModel")["properties"]["currency"]["enum"])
Number = int | Decimal


class Kind(NamedTuple):
    """Type, sub type, amount in cents and employee where they matter, supplier currency, and oddities in this order."""

    type: str
    sub_type: str | None = None
    value: Number | None = None
    currency: str | None = None
    method: str | None = None
    oddities: tuple[str, ...] = ()
    employee: int | None = None


KINDS: Final[tuple[Kind, ...]] = (
    Kind("card_purchase"),
    Kind("out_of_pocket", oddities=("attendees",)),
    Kind("invoice", method="accounts_payable"),
    Kind("mileage"),
    Kind("per_diem", oddities=("service_period",)),
    Kind("card_invoice", oddities=("sub_type_absent",)),
    Kind("external_reimbursement"),
    Kind("direct_reimbursement", "reimbursement_to_employee", oddities=("reconciled_entries",)),
    Kind("direct_reimbursement", "reimbursement_to_employee_refund"),
    Kind("direct_reimbursement", "reimbursement_to_company"),
    Kind("invoice_payment", "invoice_payment_sent", method="accounts_payable"),
    Kind("invoice_payment", "invoice_payment_returned", method="journal"),
    Kind("chargeback"),
    Kind("refund", method="journal"),
    Kind("cashback"),
    Kind("atm_withdrawal"),
    Kind("wallet_topup", method="none"),
    Kind("wallet_unload", method="none"),
    Kind("personal_spend"),
    Kind("fee", "interest"),
    Kind("fee"),
    Kind("card_purchase", currency="JPY", value=12345),
    Kind("card_purchase", value=Decimal("1999.95")),
    Kind("card_purchase", value=Decimal("0.1")),
    Kind("refund", value=Decimal("-0.005")),
    Kind("invoice", value=12345678901234567, currency="VEF", method="accounts_payable"),
    Kind("card_purchase", value=0),
    Kind("card_purchase", currency="USD", method="journal", oddities=("split",)),
    Kind("invoice", method="accounts_payable", oddities=("split", "bare_files", "dates_only")),
    Kind("card_purchase", oddities=("account_missing",)),
    Kind("out_of_pocket", oddities=("split", "account_missing", "null_tag")),
    Kind("card_purchase", oddities=("account_without_code",)),
    Kind("personal_spend", oddities=("no_lines",)),
    *(Kind("card_purchase", oddities=(name,)) for name in ("nanoseconds", "mixed_case_ids", "many_files")),
    Kind("card_purchase", oddities=("no_files", "null_team")),
    Kind("out_of_pocket", oddities=("null_file", "zone_offset")),
    Kind("card_purchase", currency="SEK", oddities=("optional_absent",)),
    Kind("card_purchase", method="accounts_payable", oddities=("vendor_missing",)),
    Kind("invoice", method="journal", oddities=("vendor_with_odd_country", "dates_only")),
    Kind("card_purchase", oddities=("contra_without_code", "supplier_empty")),
)

VARIED: Final[tuple[Kind, ...]] = (
    Kind("card_purchase", oddities=("files_empty", "team_code")),
    Kind("out_of_pocket", oddities=("file_types",)),
    Kind("card_purchase", oddities=("other_links",)),
    Kind("card_purchase", oddities=("no_links", "parties_absent")),
    Kind("per_diem", oddities=("long_service_period",)),
    *(
        Kind("card_purchase", oddities=(name,))
        for name in ("line_members_absent", "line_members_null", "tax_code_null")
    ),
    Kind("card_invoice", oddities=("tax_code_absent",)),
    *(Kind("card_purchase", oddities=(name,)) for name in ("tax_rate_zero", "tax_rate_reduced")),
    Kind("card_purchase", currency="SEK", oddities=("tax_fractional",)),
    Kind("invoice", method="accounts_payable", oddities=("supplier_in_erp", "vendor_bare")),
    Kind("card_purchase", oddities=("codes_absent",)),
    Kind("out_of_pocket", oddities=("attendees_null",)),
    Kind("out_of_pocket", oddities=("attendee_alone",)),
    Kind("direct_reimbursement", "reimbursement_to_employee", oddities=("reconciled_nothing",)),
    Kind("direct_reimbursement", "reimbursement_to_company", oddities=("reconciled_with_null",)),
    Kind("invoice", method="accounts_payable", oddities=("invoice_paid",)),
    Kind("invoice", method="journal", oddities=("invoice_nulls",)),
    Kind("invoice", oddities=("invoice_bare",)),
    Kind("invoice_payment", "invoice_payment_sent", oddities=("bank_account_bare",)),
    Kind("invoice", method="accounts_payable", oddities=("empty_texts",)),
    Kind("invoice", method="journal", oddities=("unknown_values",)),
    Kind("card_purchase", currency="KWD", value=Decimal("1234.567")),
    Kind("card_purchase", oddities=("wallet_in_dinars",)),
    Kind("card_purchase", currency="UNDEFINED", oddities=("wallet_undefined",)),
    # Every country, and with them every currency.
    *(
        Kind("invoice", currency=currency, method="accounts_payable", oddities=(f"country_{country}",))
        for country, currency in zip(COUNTRIES, cycle(CURRENCIES), strict=False)
    ),
)

# A company's spending, until suppliers are paid and employees repaid (``settling``).
SPENDING: Final[tuple[Kind, ...]] = (
    Kind("wallet_topup", value=9_000_000, method="none"),
    Kind("wallet_unload", value=1_000_000, method="none"),
    *(Kind("card_purchase", oddities=(name,)) for name in ("exclusive_tax", "inclusive_tax", "reverse_charge")),
    *(Kind("card_purchase", oddities=(name,)) for name in ("before_midnight", "after_midnight", "new_years_eve")),
    Kind("card_purchase", currency="USD", oddities=("split",)),
    Kind("card_purchase", value=0),
    Kind("out_of_pocket", value=0, employee=0),
    *(Kind(type_, method="accounts_payable") for type_ in ("card_purchase", "fee", "refund", "chargeback", "cashback")),
    *(Kind(type_) for type_ in ("card_invoice", "refund", "chargeback")),
    Kind("fee", oddities=("account_missing",)),
    Kind("fee", "interest", oddities=("account_missing",)),
    Kind("cashback", oddities=("account_missing",)),
    *(Kind("invoice", method="accounts_payable", oddities=(name,)) for name in ("exclusive_tax", "reverse_charge")),
    Kind("invoice", method="journal", oddities=("split",)),
    # Personal spend is set off against outlays; the second employee owes more cash than is owed to him.
    Kind("out_of_pocket", value=15_000, employee=0),
    Kind("mileage", value=7_250, employee=0),
    Kind("personal_spend", value=4_000, employee=0),
    Kind("out_of_pocket", value=2_500, employee=1),
    Kind("atm_withdrawal", value=20_000, employee=1),
    Kind("per_diem", employee=2),
    Kind("atm_withdrawal", value=5_000, employee=4),
    Kind("out_of_pocket", employee=3, oddities=("split",)),
)

HOSTILE: Final[tuple[Kind, ...]] = (Kind("card_purchase", oddities=("file_of_nothing",)),)
