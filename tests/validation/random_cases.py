"""Random items and configurations, with the values that matter drawn often."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from tap_pleo_export.validation.vocabulary import ACCOUNT_ROLES, ITEM_TYPES

TYPES = [*ITEM_TYPES, "overdraft", "type_of_tomorrow"]
COMPANIES = ["12abc3d4-e567-890e-1234-abc56e78fabc", "12ABC3D4-E567-890E-1234-ABC56E78FABC", "company-2", None]
CURRENCIES = ["GBP", "EUR", "SEK", "UNDEFINED"]
CODES = ["6100", "0400", "A/1", "7300"]
BLANKS = [None, "", "  "]
ROLES = [*ACCOUNT_ROLES, "clearing"]
SUB_TYPES = [
    "reimbursement_to_employee",
    "reimbursement_to_company",
    "invoice_payment_returned",
    "interest",
    "tomorrow",
]
DOCUMENTS = ["bill", "payment", "expense", "transfer"]
NO_CATEGORY = "00000000-0000-0000-0000-000000000000"
FAILURES = ["validation_failure", "tag_unknown"]

NOTE = {"required": ["note"], "properties": {"note": {"type": "string", "minLength": 3}}}
LARGE = {
    "properties": {"amount": {"properties": {"inWalletCurrency": {"properties": {"value": {"maximum": 100_000}}}}}}
}
USER_SCHEMAS = [NOTE, LARGE]


def user_failure(schema: dict[str, Any], item: dict[str, Any]) -> str | None:
    """Return where an item breaks one of the schemas above, None if it does not."""
    if schema is NOTE:
        return None if isinstance(item["note"], str) and len(item["note"]) > 2 else "/note"
    return "/amount/inWalletCurrency/value" if item["amount"]["inWalletCurrency"]["value"] > 100_000 else None


def code(random: Random) -> str | None:
    return random.choice(CODES if random.random() < 0.7 else BLANKS)


def some(random: Random, value: Any, chance: float = 0.6) -> Any:
    return value if random.random() < chance else None


def money(random: Random, amount: int, currency: str) -> dict[str, Any]:
    return {"inWalletCurrency": {"currency": currency, "value": amount + (random.random() < 0.05)}}


def line(random: Random, amount: int, currency: str) -> dict[str, Any]:
    account = {
        "id": random.choice([NO_CATEGORY, "7966c3ba", "7966c3ba"]),
        "name": random.choice(["Meals", "", None]),
        "code": code(random),
        "identifier": some(random, code(random)),
    }
    tags = [{"code": code(random)} for _ in range(random.randrange(3))]
    return {
        "account": some(random, account, 0.9),
        "lineAmount": some(random, money(random, amount, random.choice([currency] * 9 + ["SEK"])), 0.98),
        "tax": some(random, {"code": code(random), "amount": some(random, money(random, 0, currency))}),
        "tags": some(random, tags, 0.9),
    }


def item(random: Random) -> dict[str, Any]:
    method = random.choice(["journal", "none", "accounts_payable", "accounts_payable", "method_of_tomorrow"])
    currency, parts = (
        random.choice(CURRENCIES),
        [random.randrange(-20_000, 200_000) for _ in range(random.randrange(6))],
    )
    if random.random() < 0.1:
        parts = [0] * len(parts)
    return {
        "companyId": random.choice(COMPANIES),
        "type": random.choice(TYPES),
        "subType": some(random, random.choice(SUB_TYPES), 0.3),
        "amount": money(random, sum(parts), currency),
        "bookkeeping": some(random, {"method": method}),
        "vendor": some(random, {"name": "V", "code": code(random), "externalId": some(random, code(random))}),
        "supplier": some(random, {"code": code(random), "account": code(random), "taxIdentifier": code(random)}),
        "contraAccount": some(random, {"name": some(random, "Pleo"), "code": code(random), "identifier": code(random)}),
        "accountingEntryLines": some(random, [line(random, part, currency) for part in parts], 0.95),
        "note": random.choice([None, "", "ab", "lunch"]),
    }


def account(random: Random) -> Any:
    if random.random() < 0.5:
        return code(random)
    return {currency: code(random) for currency in random.sample([*CURRENCIES, "*"], random.randrange(4))}


def entry(random: Random, company: str, roles: list[str]) -> dict[str, Any]:
    accounts = {role: account(random) for role in roles if random.random() < 0.7}
    return {"companyId": company, "journal": journal(random), "accounts": accounts}


def journal(random: Random) -> Any:
    if random.random() < 0.7:
        return code(random)
    return {document: code(random) for document in random.sample([*DOCUMENTS, "*"], random.randrange(4))}


def side(random: Random) -> Any:
    return random.choice(["line", random.choice(ROLES), ["line", random.choice(ROLES)], random.sample(ROLES, 2)])


def booking(random: Random) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for _ in range(random.randrange(6)):
        when: dict[str, Any] = {}
        if random.random() < 0.4:
            when["method"] = random.choice(["journal", "accounts_payable"])
        if random.random() < 0.6:
            when["types"] = random.sample(TYPES, 6)
        if random.random() < 0.4:
            when["subTypes"] = random.sample([*SUB_TYPES, None], random.randrange(1, 4))
        vouchers = [
            {"document": random.choice(DOCUMENTS), "debit": side(random), "credit": side(random)}
            for _ in range(random.randrange(1, 3))
        ]
        booked = {"vouchers": vouchers, "way": random.choice(["in", "out"])} | random.choice(
            [{}, {"vendor": "required"}]
        )
        rows.append({"when": when} | random.choice([booked, booked, booked, {"skip": True}]))
    return rows


def config(random: Random) -> dict[str, Any]:
    own_rows = booking(random) if random.random() < 0.4 else None
    roles = ROLES if '"clearing"' in json.dumps(own_rows) else ROLES[:-1]
    companies = random.sample([str(COMPANIES[0]).upper(), "company-2", "*"], random.randrange(4))
    chosen = random.sample(list(enumerate(USER_SCHEMAS)), random.randrange(3))
    checks = [
        {
            "id": f"own_{number}",
            "schema": schema,
            "failureReasonType": random.choice(FAILURES),
            "failureReason": f"own {number}",
        }
        | ({"severity": random.choice(["error", "warning"])} if random.random() < 0.7 else {})
        for number, schema in chosen
    ]
    ids = [
        "required_configuration",
        "expense_gl_account",
        "gl_account_exists",
        "tag_exists",
        "amounts_add_up",
        "known_type",
        *(c["id"] for c in checks),
    ]
    whole = {
        "configuration": [entry(random, company, roles) for company in companies],
        "null_bookkeeping": random.choice(["journal", "accounts_payable"]),
        "gl_account_not_required_for": random.sample(ITEM_TYPES, 3),
        "booking": own_rows,
        "vendor_accounts": dict.fromkeys(random.sample(CODES, random.randrange(3)), "2401"),
        "references": {
            name: random.sample(CODES, random.randrange(5))
            for name in random.sample(["gl_accounts", "tax_codes", "tags", "vendors"], random.randrange(5))
        },
        "checks": checks,
        "disabled_checks": random.sample(ids, random.randrange(2)),
    }
    return {
        name: value
        for name, value in whole.items()
        if random.random() < 0.8 or name in ("booking", "checks", "disabled_checks")
    }
