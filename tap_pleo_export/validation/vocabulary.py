"""Names that Pleo documents (OpenAPI `ExportItemTypeV3`); other values are valid, because Pleo may add some."""

from __future__ import annotations

from typing import Any, Literal

Record = dict[str, Any]
Method = Literal["journal", "accounts_payable"]

ITEM_TYPES = (
    "card_purchase",
    "card_invoice",
    "out_of_pocket",
    "mileage",
    "per_diem",
    "external_reimbursement",
    "direct_reimbursement",
    "invoice",
    "invoice_payment",
    "chargeback",
    "refund",
    "cashback",
    "atm_withdrawal",
    "wallet_topup",
    "wallet_unload",
    "personal_spend",
    "fee",
)

BALANCE_MOVES = ("wallet_topup", "wallet_unload")
"""Types that are always recorded as a journal entry, regardless of their bookkeeping method."""

TAGGABLE = ("card_purchase", "fee", "chargeback", "refund", "cashback", "invoice", "invoice_payment")
"""Types that can have a vendor in Pleo."""

SUB_TYPES = (
    "reimbursement_to_employee",
    "reimbursement_to_employee_refund",
    "reimbursement_to_company",
    "invoice_payment_sent",
    "invoice_payment_returned",
    "interest",
)

ACCOUNT_ROLES = (
    "wallet",
    "outOfPocket",
    "contra",
    "accountsPayable",
    "externalReimbursement",
    "fees",
    "otherIncome",
)
"""Accounts that any configuration may define."""

BUILTIN_CHECKS = (
    "required_configuration",
    "expense_gl_account",
    "gl_account_exists",
    "tax_code_exists",
    "tag_exists",
    "vendor_exists",
    "amounts_add_up",
    "known_type",
    "tax_is_booked",
)
