"""The rules of validation implemented a second time, as simply as possible, without regard to speed.

Written from the public description of the mapper, not from its code: the two must agree.
"""

from __future__ import annotations

from typing import Any

TAGGABLE = {"card_purchase", "fee", "chargeback", "refund", "cashback", "invoice", "invoice_payment"}
BILL, PAYMENT = "bill: line / accountsPayable", "payment: accountsPayable / wallet"
CREDIT_NOTE, RETURNED = "credit_note: accountsPayable / line", "payment_returned: wallet / accountsPayable"
PAID_BY_EMPLOYEE = "out_of_pocket mileage per_diem"
OUT_OF_POCKET = f"{BILL} {{assumption}}; payment: accountsPayable / outOfPocket {{assumption}}"
RETURNED_OUTSIDE = "reimbursement_returned: externalReimbursement,contra / outOfPocket"
BACK = "reimbursement_to_employee_refund reimbursement_to_company"

# method (any if empty), types, subtypes (- for none), way, vouchers with their basis (documented if not said)
SHIPPED = f"""
accounts_payable | invoice | - | out | {BILL}
accounts_payable | card_purchase card_invoice | - | out | {BILL}; {PAYMENT} {{double_entry}}
accounts_payable | fee | - interest | out | {BILL}; {PAYMENT} {{double_entry}}
accounts_payable | {PAID_BY_EMPLOYEE} | - | out | {OUT_OF_POCKET}
accounts_payable | refund chargeback cashback | - | in | {CREDIT_NOTE}; {RETURNED} {{double_entry}}
| invoice | - | out | {BILL}
| invoice_payment | - invoice_payment_sent | out | {PAYMENT}
| invoice_payment | invoice_payment_returned | in | {RETURNED} {{double_entry}}
| card_purchase card_invoice | - | out | expense: line / wallet
| fee | - interest | out | expense: line,fees / wallet {{wallet_documented}}
| refund chargeback | - | in | refund: wallet / line
| cashback | - | in | refund: wallet / line,otherIncome {{wallet_documented}}
| atm_withdrawal personal_spend | - | out | advance: outOfPocket / wallet
| {PAID_BY_EMPLOYEE} | - | out | expense: line / outOfPocket
| direct_reimbursement | - reimbursement_to_employee | out | reimbursement: outOfPocket / wallet
| direct_reimbursement | {BACK} | in | reimbursement_returned: wallet / outOfPocket {{assumption}}
| external_reimbursement | - reimbursement_to_employee | out | reimbursement: outOfPocket / externalReimbursement,contra
| external_reimbursement | {BACK} | in | {RETURNED_OUTSIDE} {{meaning_documented}}
| wallet_topup | - | in | transfer: wallet / contra
| wallet_unload | - | out | transfer: contra / wallet
"""
VENDOR_TEXT = (
    "Selected vendor cannot be processed because it does not exist or is currently blocked. "
    "Please verify the vendor’s status in the accounting system and try again."
)


def text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def method_of(config: dict[str, Any], item: dict[str, Any]) -> str:
    if item["type"] in {"wallet_topup", "wallet_unload"}:
        return "journal"
    if item["bookkeeping"] is None:
        return str(config.get("null_bookkeeping", "journal")) if item["type"] in TAGGABLE else "journal"
    return "accounts_payable" if item["bookkeeping"]["method"] == "accounts_payable" else "journal"


def vendor_of(config: dict[str, Any], item: dict[str, Any]) -> tuple[str, str] | None:
    """Return path and key of the vendor, or of the supplier in its place."""
    if item["vendor"]:
        return "/vendor", text(item["vendor"].get("code")) or text(item["vendor"].get("externalId"))
    if item["bookkeeping"] is None and method_of(config, item) == "accounts_payable" and item["supplier"]:
        for name in ("code", "account", "taxIdentifier"):
            if text(item["supplier"].get(name)):
                return "/supplier", text(item["supplier"].get(name))
    return None


def rows_of(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows: methods, types, subtypes, way, vendor, and vouchers of (document, debit, credit, basis)."""
    rows = []
    if config.get("booking") is not None:
        for given in config["booking"]:
            when, vouchers = given["when"], []
            for voucher in given.get("vouchers", []):
                debit, credit = (
                    [side] if isinstance(side, str) else side for side in (voucher["debit"], voucher["credit"])
                )
                vouchers.append((voucher["document"], debit, credit, voucher.get("basis", "configured")))
            rows.append({"method": when.get("method"), "types": when.get("types"), "subTypes": when.get("subTypes")})
            rows[-1] |= {"way": given.get("way"), "vendor": "vendor" in given, "vouchers": vouchers}
        return rows
    for text_row in SHIPPED.strip().splitlines():
        method, types, sub_types, way, shown = (cell.strip() for cell in text_row.split("|"))
        vouchers = []
        for voucher in shown.split(";"):
            document, _, rest = voucher.strip().partition(": ")
            sides, _, basis = rest.partition(" {")
            debit, credit = (side.split(",") for side in sides.split(" / "))
            vouchers.append((document, debit, credit, basis.rstrip("}") or "documented"))
        names = [None if name == "-" else name for name in sub_types.split()]
        rows.append({"method": method or None, "types": types.split(), "subTypes": names, "way": way})
        rows[-1] |= {"vendor": bool(method), "vouchers": vouchers}
    return rows


def row_of(config: dict[str, Any], item: dict[str, Any], sub_type: Any) -> dict[str, Any] | None:
    for row in rows_of(config):
        fits = row["method"] in (None, method_of(config, item)) and item["type"] in (row["types"] or [item["type"]])
        if fits and sub_type in (row["subTypes"] or [sub_type]):
            return row
    return None


def lines_of(item: dict[str, Any]) -> list[dict[str, Any]]:
    return item["accountingEntryLines"] or []


def value(money: dict[str, Any] | None) -> Any:
    return money["inWalletCurrency"]["value"] if money else None


def account_of(account: dict[str, Any] | None) -> str:
    if not account or set(account.get("id") or "x") <= set("0-"):
        return ""
    return text(account.get("code")) or text(account.get("identifier"))


def books(config: dict[str, Any], item: dict[str, Any], roles: list[str]) -> str | None:
    """Return the role that a side takes, None if none of its roles has an account."""
    for role in roles:
        if role == "line" and (len(roles) == 1 or any(account_of(line["account"]) for line in lines_of(item))):
            return "line"
        if role != "line" and provided(config, item, role):
            return role
    return None


def state(config: dict[str, Any], item: dict[str, Any]) -> tuple[str, list[tuple[str, list[str], list[str], str]]]:
    """Return unknown, skip, zero or book, and the row's vouchers."""
    row = row_of(config, item, item["subType"] or None)
    if row is None:
        return "unknown", []
    if not row["vouchers"]:
        return "skip", []
    has_lines = any("line" in debit + credit for _, debit, credit, _ in row["vouchers"])
    amounts = [item["amount"], *([line["lineAmount"] for line in lines_of(item)] if has_lines else [])]
    if value(amounts[0]) == 0 and all(value(money) in (0, None) for money in amounts):
        return "zero", []
    return "book", row["vouchers"]


def books_lines(config: dict[str, Any], item: dict[str, Any]) -> bool:
    return any(books(config, item, side) == "line" for _, *sides, _ in state(config, item)[1] for side in sides)


def entry_of(config: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    entries = config.get("configuration") or []
    for wanted in (text(item["companyId"]).lower(), "*"):
        for entry in entries:
            if entry["companyId"].lower() == wanted:
                return dict(entry)
    return {}


def code_by(codes: Any, key: str) -> str:
    return text(codes.get(key)) or text(codes.get("*")) if isinstance(codes, dict) else text(codes)


def provided(config: dict[str, Any], item: dict[str, Any], role: str) -> str:
    """Return the account of a role; empty if it is missing."""
    if role == "wallet" and account_of(item["contraAccount"]):
        return account_of(item["contraAccount"])
    if role == "accountsPayable" and vendor_of(config, item):
        vendor, known = item["vendor"] or {}, config.get("vendor_accounts") or {}
        path, key = vendor_of(config, item) or ("", "")
        for name in (key, text(vendor.get("externalId")) if path == "/vendor" else ""):
            if name in known:
                return str(known[name])
    accounts = entry_of(config, item).get("accounts") or {}
    return code_by(accounts.get(role), item["amount"]["inWalletCurrency"]["currency"])


def posting(config: dict[str, Any], item: dict[str, Any], reason: str | None) -> dict[str, Any]:
    found, rules = state(config, item)
    if reason is not None or found == "unknown":
        return {
            "outcome": "failed",
            "reason": reason or "The booking table does not decide how to book the item",
            "vouchers": [],
        }
    if found != "book":
        why = {"skip": "The booking table skips this type", "zero": "The amount is zero"}[found]
        return {"outcome": "nothing_to_book", "reason": why, "vouchers": []}
    row = row_of(config, item, item["subType"] or None) or {}
    vouchers = []
    for document, debit, credit, basis in rules:
        legs = []
        for side in (debit, credit):
            role = books(config, item, side) or side[-1]
            legs.append({"role": role, "account": None if role == "line" else provided(config, item, role) or None})
        journal = code_by(entry_of(config, item).get("journal"), document) or None
        voucher = {"document": document, "journal": journal, "debit": legs[0], "credit": legs[1]}
        vouchers.append(voucher | {"way": row["way"], "basis": basis})
    return {"outcome": "booked", "reason": None, "vouchers": vouchers}


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
    row, (_, rules) = row_of(config, item, item["subType"] or None), state(config, item)
    missing: dict[tuple[str, ...], list[str]] = {}
    for document, debit, credit, _ in rules:
        if row and row["vendor"] and vendor_of(config, item) is None:
            missing.setdefault(("vendor",), []).append(document)
        if not code_by(entry_of(config, item).get("journal"), document):
            missing.setdefault(("journal",), []).append(document)
        for side in (debit, credit):
            if books(config, item, side) is None:
                missing.setdefault(tuple(side), []).append(document)
    found = []
    currency = item["amount"]["inWalletCurrency"]["currency"]
    for roles, documents in missing.items():
        accounts = [role for role in roles if role != "line"]
        subject: dict[str, Any] = {"role": accounts[0], "document": documents[0]}
        subject["alternatives"] = accounts[1:] + [role for role in roles if role == "line"]
        if roles == ("vendor",):
            reason = "Vendor missing: select a vendor for this item"
            found.append(finding("required_configuration", "vendor_unknown", reason, "/vendor", **subject))
            continue
        subject["companyId"] = item["companyId"]
        if roles == ("journal",):
            what, name = "Journal", f"(company {item['companyId'] or 'unknown'})"
        else:
            what, name = "Account", f"{' or '.join(accounts)} ({currency})"
            subject["currency"] = currency
            if accounts[0] == "wallet":
                subject["name"] = text((item["contraAccount"] or {}).get("name"))
        reason = f"{what} {name} missing: provide {what.lower()} {name} in the configurations"
        reason += f" (needed for: {', '.join(documents)})"
        path = "/contraAccount" if accounts[0] == "wallet" else "/companyId"
        found.append(finding("required_configuration", "missing_configuration", reason, path, **subject))
    return found


def expense_gl_account(config: dict[str, Any], item: dict[str, Any]) -> list[dict[str, Any]]:
    check, kind = "expense_gl_account", "missing_configuration"
    if item["type"] in (config.get("gl_account_not_required_for") or []) or not books_lines(config, item):
        return []
    if not lines_of(item):
        reason = "The item has no lines: give it a category in Pleo"
        return [finding(check, kind, reason, "/accountingEntryLines", role="glAccount")]
    found = []
    for index, line in enumerate(lines_of(item)):
        if account_of(line["account"]):
            continue
        account, at = line["account"] or {}, f"/accountingEntryLines/{index}/account"
        name = "" if set(account.get("id") or "x") <= set("0-") else text(account.get("name"))
        label = f"{name} (line {index + 1})"
        reason = f"Account {label} missing: provide account {label} in the configurations"
        if not name:
            reason = f"Line {index + 1} has no category: choose one in Pleo"
        found.append(finding(check, kind, reason, at, role="glAccount", line=index + 1, name=name))
    return found


def amounts_add_up(config: dict[str, Any], item: dict[str, Any]) -> list[dict[str, Any]]:
    if not books_lines(config, item) or not lines_of(item):
        return []
    check, kind, currency = "amounts_add_up", "validation_failure", item["amount"]["inWalletCurrency"]["currency"]
    for index, line in enumerate(lines_of(item)):
        at, number = f"/accountingEntryLines/{index}/lineAmount", index + 1
        if line["lineAmount"] is None:
            reason = f"Line {number} has no amount: correct the item in Pleo"
        elif line["lineAmount"]["inWalletCurrency"]["currency"] != currency:
            own = line["lineAmount"]["inWalletCurrency"]["currency"]
            reason = f"Line {number} is in {own}, the item in {currency}: correct the item in Pleo"
        else:
            continue
        return [finding(check, kind, reason, at, role="amount", line=number)]
    total, wanted = sum(value(line["lineAmount"]) for line in lines_of(item)), value(item["amount"])
    if total == wanted:
        return []
    reason = f"The lines add up to {total}, the item to {wanted} ({currency}, minor units): correct the lines in Pleo"
    return [finding(check, kind, reason, "/amount", role="amount", currency=currency)]


def known_type(config: dict[str, Any], item: dict[str, Any]) -> list[dict[str, Any]]:
    kind, sub_type = item["type"], item["subType"]
    subject = {"role": "type", "code": kind, "name": sub_type}
    row, remedy = row_of(config, item, sub_type or None), "give it a row in 'booking'"
    if row is None:
        named = f"{kind} with subtype {sub_type}" if sub_type else kind
        reason = f"Type {named} is not in the booking table: {remedy}"
        return [finding("known_type", "invalid_configuration", reason, "/type", **subject)]
    ways = set()
    for other in rows_of(config):
        if other["method"] in (None, method_of(config, item)) and item["type"] in (other["types"] or [item["type"]]):
            for name in other["subTypes"] or []:
                chosen = row_of(config, item, name)
                if chosen and chosen["vouchers"]:
                    ways.add(chosen["way"])
    if len(ways) > 1 and not sub_type and row["subTypes"] != [None] and value(item["amount"]) < 0:
        reason = f"A negative {kind} without a subtype may be a payment or its return: {remedy}"
        return [finding("known_type", "invalid_configuration", reason, "/type", **subject)]
    return []


def tax_is_booked(config: dict[str, Any], item: dict[str, Any]) -> list[dict[str, Any]]:
    if state(config, item)[0] != "book" or books_lines(config, item):
        return []
    found = []
    for index, line in enumerate(lines_of(item)):
        amount: Any = (line["tax"] or {}).get("amount")
        if value(amount):
            number = index + 1
            reason = f"Line {number} has tax of {value(amount)} (minor units), which is not booked: {item['type']}"
            subject = {"line": number, "currency": amount["inWalletCurrency"]["currency"]}
            at = f"/accountingEntryLines/{index}/tax"
            failed = finding("tax_is_booked", "validation_failure", reason, at, role="tax", **subject)
            found.append(failed | {"severity": "warning"})
    return found


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
    for i, line in enumerate(lines_of(item) if books_lines(config, item) else []):
        at = f"/accountingEntryLines/{i}"
        account = line["account"] or {}
        code = account_of(account)
        accounts.append((code, f"{at}/account", {"role": "glAccount", "line": i + 1}))
        taxes.append((text((line["tax"] or {}).get("code")), f"{at}/tax", {"role": "taxCode", "line": i + 1}))
        for j, tag in enumerate(line["tags"] or []):
            tags.append((text(tag["code"]), f"{at}/tags/{j}", {"role": "tag", "line": i + 1}))
    own = vendor_of(config, item) if state(config, item)[0] == "book" else None
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


def reason_of(errors: list[dict[str, Any]]) -> str:
    """Return the texts: of each check at most three lines, then how many more; 500 characters in all."""
    texts: list[str] = []
    for check in dict.fromkeys(entry["check"] for entry in errors):
        entries = [entry for entry in errors if entry["check"] == check]
        numbers = list(dict.fromkeys((entry["subject"] or {}).get("line", 0) for entry in entries))
        texts += [e["failureReason"] for e in entries if (e["subject"] or {}).get("line", 0) in numbers[:3]]
        more = len(numbers) - 3
        if more > 0:
            texts.append(f"and {more} more line" + ("s" if more > 1 else ""))
    joined = "; ".join(texts)
    return joined if len(joined) <= 500 else joined[:499] + "…"


def verdict(config: dict[str, Any], item: dict[str, Any], user_failures: dict[str, str | None]) -> dict[str, Any]:
    """Return the six members; `user_failures` says by check id where a user's check fails (None: it passes)."""
    found = {
        "required_configuration": required_configuration(config, item),
        "expense_gl_account": expense_gl_account(config, item),
        **references(config, item),
        "amounts_add_up": amounts_add_up(config, item),
        "known_type": known_type(config, item),
        "tax_is_booked": tax_is_booked(config, item),
    }
    severities = dict.fromkeys(found, "error") | {"tax_is_booked": "warning"}
    for check in config.get("checks") or []:
        severities[check["id"]] = check.get("severity", "error")
        path = user_failures[check["id"]]
        about = (path or "").split("/")[1] if path else "item"
        failed = finding(check["id"], check["failureReasonType"], check["failureReason"], path or "", role=about)
        found[check["id"]] = [] if path is None else [failed | {"severity": severities[check["id"]]}]
    nothing = {"status": "passed", "failureReasonType": None, "failureReason": None, "path": None, "subject": None}
    entries = []
    for check_id, findings in found.items():
        if check_id not in (config.get("disabled_checks") or []):
            entries += findings or [{"check": check_id, "severity": severities[check_id]} | nothing]
    errors = [entry for entry in entries if entry["status"] == "failed" and entry["severity"] == "error"]
    reason = reason_of(errors) if errors else None
    return {
        "validationStatus": "failed" if errors else "passed",
        "validationFailureReasonType": errors[0]["failureReasonType"] if errors else None,
        "validationFailureReason": reason,
        "validationChecks": entries,
        "bookkeepingMethod": method_of(config, item),
        "posting": posting(config, item, reason),
    }
