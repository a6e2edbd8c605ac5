"""The rules of validation once more, as plainly as they can be said and as slowly as that may be.

Written from the public description of the mapper, not from its code: the two must agree.
"""

from __future__ import annotations

from typing import Any

MOVES_WALLET = {
    "card_purchase",
    "card_invoice",
    "fee",
    "cashback",
    "refund",
    "chargeback",
    "invoice_payment",
    "atm_withdrawal",
    "personal_spend",
}
REIMBURSED_ELSEWHERE = {"out_of_pocket", "mileage", "per_diem", "external_reimbursement"}
VENDOR_TEXT = (
    "Selected vendor cannot be processed because it does not exist or is currently blocked. "
    "Please verify the vendor’s status in the accounting system and try again."  # noqa: RUF001 - Pleo's apostrophe
)


def text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def method_of(config: dict[str, Any], item: dict[str, Any]) -> str:
    if item["type"] in {"wallet_topup", "wallet_unload"}:
        return "journal"
    if item["bookkeeping"] is None:
        return str(config.get("null_bookkeeping", "journal"))
    return "accounts_payable" if item["bookkeeping"]["method"] == "accounts_payable" else "journal"


def vendor_of(config: dict[str, Any], item: dict[str, Any]) -> tuple[str, str] | None:
    """Return path and key of the vendor, or of the supplier in its place."""
    if item["vendor"]:
        return "/vendor", text(item["vendor"].get("code")) or text(item["vendor"].get("externalId"))
    if item["bookkeeping"] is None and config.get("null_bookkeeping") == "accounts_payable" and item["supplier"]:
        for name in ("code", "account", "taxIdentifier"):
            if text(item["supplier"].get(name)):
                return "/supplier", text(item["supplier"].get(name))
    return None


def needs_of(config: dict[str, Any], item: dict[str, Any]) -> list[Any]:
    method, kind = method_of(config, item), item["type"]
    if config.get("requirements") is not None:
        for row in config["requirements"]:
            when = row["when"]
            if when.get("method", method) == method and kind in when.get("types", [kind]):
                return list(row["needs"])
        return []
    if method == "accounts_payable":
        return ["vendor", "accountsPayable"]
    needs: list[Any] = ["journal"]
    if kind in REIMBURSED_ELSEWHERE or kind == "direct_reimbursement":
        needs.append("outOfPocket")
    if kind in MOVES_WALLET or kind == "direct_reimbursement":
        needs.append(["contraAccount", "wallet"])
    return needs if len(needs) > 1 else ["journal", ["contraAccount", "contra"]]


def entry_of(config: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    entries = config.get("configuration") or []
    for wanted in (text(item["companyId"]).lower(), "*"):
        for entry in entries:
            if entry["companyId"].lower() == wanted:
                return dict(entry)
    return {}


def provided(config: dict[str, Any], item: dict[str, Any], role: str) -> str:
    """Return the code that a role stands for, of a vendor something; empty if it is not provided."""
    entry = entry_of(config, item)
    if role == "journal":
        return text(entry.get("journal"))
    if role == "vendor":
        return "" if vendor_of(config, item) is None else "some"
    if role == "contraAccount":
        own = item["contraAccount"] or {}
        return text(own.get("code")) or text(own.get("identifier"))
    account = (entry.get("accounts") or {}).get(role)
    if isinstance(account, dict):
        account = text(account.get(item["amount"]["inWalletCurrency"]["currency"])) or account.get("*")
    return text(account)


def posting(config: dict[str, Any], item: dict[str, Any]) -> dict[str, Any] | None:
    if "required_configuration" in (config.get("disabled_checks") or []):
        return None
    where: dict[str, Any] = {"journal": None, "counterAccount": None, "counterAccountRole": None}
    for need in needs_of(config, item):
        roles = [need] if isinstance(need, str) else need
        given = [role for role in roles if provided(config, item, role)]
        if not given and "vendor" in roles:
            return None
        if given == [] or given[0] not in {"journal", "vendor"}:
            first = given[0] if given else None
            if first or set(roles) - {"journal", "vendor"}:
                where["counterAccountRole"] = first
                where["counterAccount"] = provided(config, item, first) if first else None
        elif given[0] == "journal":
            where["journal"] = provided(config, item, "journal")
    return where


def finding(check: str, kind: str, reason: str, path: str, **subject: Any) -> dict[str, Any]:
    return {
        "check": check,
        "status": "failed",
        "severity": "error",
        "failureReasonType": kind,
        "failureReason": reason,
        "path": path,
        "subject": {name: value for name, value in subject.items() if value} or None,
    }


def required_configuration(config: dict[str, Any], item: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for need in needs_of(config, item):
        roles = [need] if isinstance(need, str) else need
        if any(provided(config, item, role) for role in roles):
            continue
        path = "/contraAccount" if "contraAccount" in roles else "/vendor" if "vendor" in roles else "/companyId"
        currency = f"({item['amount']['inWalletCurrency']['currency']})"
        accounts = [role for role in roles if role not in {"journal", "vendor", "contraAccount"}]
        kind, what, name = "missing_configuration", "Account", ""
        if accounts:
            name = f"{' or '.join(accounts)} {currency}"
            about = accounts[0]
        elif "journal" in roles:
            what, name = "Journal", f"(company {item['companyId'] or 'unknown'})"
            about = "journal"
        elif "contraAccount" in roles:
            name = f"{text((item['contraAccount'] or {}).get('name')) or 'contraAccount'} {currency}"
            about = "contraAccount"
        reason = f"{what} {name} missing: provide {what.lower()} {name} in the configurations"
        if not name:
            kind, reason = "vendor_unknown", "Vendor missing: select a vendor for this item"
            found.append(finding("required_configuration", kind, reason, path, role="vendor"))
            continue
        subject = {"role": about, "alternatives": [role for role in roles if role != about]}
        subject["companyId"] = item["companyId"]
        if what == "Account":
            subject["currency"] = item["amount"]["inWalletCurrency"]["currency"]
            subject["name"] = text((item["contraAccount"] or {}).get("name")) if "contraAccount" in roles else None
        found.append(finding("required_configuration", kind, reason, path, **subject))
    return found


def expense_gl_account(config: dict[str, Any], item: dict[str, Any]) -> list[dict[str, Any]]:
    if item["type"] in (config.get("gl_account_not_required_for") or []):
        return []
    names = []
    for index, line in enumerate(item["accountingEntryLines"] or []):
        account = line["account"] or {}
        if not text(account.get("code")) and not text(account.get("identifier")):
            label = f"{text(account.get('name'))} (line {index + 1})".strip()
            subject = {"line": index + 1, "name": text(account.get("name"))}
            names.append((label, f"/accountingEntryLines/{index}/account", subject))
    if not item["accountingEntryLines"]:
        names.append(("(item has no lines)", "/accountingEntryLines", {}))
    return [
        finding(
            "expense_gl_account",
            "missing_configuration",
            f"Account {name} missing: provide account {name} in the configurations",
            path,
            role="glAccount",
            **subject,
        )
        for name, path, subject in names
    ]


def references(config: dict[str, Any], item: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    lists = config.get("references") or {}
    found: dict[str, list[dict[str, Any]]] = {}

    def look_up(list_name: str, check: str, values: list[tuple[Any, ...]], kind: str, reason: str) -> None:
        if lists.get(list_name) is not None:
            known = [text(value) for value in lists[list_name]]
            found[check] = [
                finding(check, kind, reason.format(code), path, code=code, **subject)
                for code, path, subject in values
                if code not in known
            ]

    accounts: list[tuple[Any, ...]] = []
    taxes: list[tuple[Any, ...]] = []
    tags: list[tuple[Any, ...]] = []
    for i, line in enumerate(item["accountingEntryLines"] or []):
        at = f"/accountingEntryLines/{i}"
        account = line["account"] or {}
        code = text(account.get("code")) or text(account.get("identifier"))
        accounts.append((code, f"{at}/account", {"role": "glAccount", "line": i + 1}))
        taxes.append((text((line["tax"] or {}).get("code")), f"{at}/tax", {"role": "taxCode", "line": i + 1}))
        for j, tag in enumerate(line["tags"] or []):
            tags.append((text(tag["code"]), f"{at}/tags/{j}", {"role": "tag", "line": i + 1}))
    own = vendor_of(config, item)
    vendors = []
    if own:
        vendors = [(own[1], own[0], {"role": "vendor", "name": text(item[own[0][1:]].get("name"))})]
    invalid = "invalid_configuration"
    gl_text = "Account No. {} does not exist in the Accounting System. Check Category."
    tax_text = "Tax Code {} does not exist in the Accounting System"
    tag_text = "Tag with code {} does not exist on the Accounting System. Check the Tag."
    look_up("gl_accounts", "gl_account_exists", [row for row in accounts if row[0]], invalid, gl_text)
    look_up("tax_codes", "tax_code_exists", [row for row in taxes if row[0]], invalid, tax_text)
    look_up("tags", "tag_exists", [row for row in tags if row[0]], invalid, tag_text)
    look_up("vendors", "vendor_exists", vendors, "vendor_unknown", VENDOR_TEXT)
    return found


def verdict(config: dict[str, Any], item: dict[str, Any], user_failures: dict[str, str | None]) -> dict[str, Any]:
    """Return the six members; `user_failures` says by check id where a user's check fails (None: it passes)."""
    found = {
        "required_configuration": required_configuration(config, item),
        "expense_gl_account": expense_gl_account(config, item),
        **references(config, item),
    }
    severities = dict.fromkeys(found, "error")
    for check in config.get("checks") or []:
        severities[check["id"]] = check.get("severity", "error")
        path = user_failures[check["id"]]
        failed = finding(check["id"], check["failureReasonType"], check["failureReason"], path or "")
        found[check["id"]] = [] if path is None else [failed | {"severity": severities[check["id"]]}]
    nothing = {"status": "passed", "failureReasonType": None, "failureReason": None, "path": None, "subject": None}
    entries = []
    for check_id, findings in found.items():
        if check_id not in (config.get("disabled_checks") or []):
            entries += findings or [{"check": check_id, "severity": severities[check_id]} | nothing]
    errors = [entry for entry in entries if entry["status"] == "failed" and entry["severity"] == "error"]
    return {
        "validationStatus": "failed" if errors else "passed",
        "validationFailureReasonType": errors[0]["failureReasonType"] if errors else None,
        "validationFailureReason": "; ".join(entry["failureReason"] for entry in errors) if errors else None,
        "validationChecks": entries,
        "bookkeepingMethod": method_of(config, item),
        "posting": posting(config, item),
    }
