"""Names that Pleo documents (OpenAPI `ExportItemTypeV3`); other values are valid, because Pleo may add some."""

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

OWN_ROLES = ("journal", "vendor", "contraAccount")
"""Requirements that are not accounts of the configuration."""

NO_ACCOUNT = frozenset({"journal", "vendor"})
"""Requirements that are not accounts."""

ACCOUNT_ROLES = ("wallet", "outOfPocket", "contra", "accountsPayable")
"""Accounts that any configuration may define."""

BUILTIN_CHECKS = (
    "required_configuration",
    "expense_gl_account",
    "gl_account_exists",
    "tax_code_exists",
    "tag_exists",
    "vendor_exists",
)
