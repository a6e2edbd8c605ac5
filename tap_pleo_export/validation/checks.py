"""The built-in checks: pure functions from a record and its bookkeeping method to findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_pleo_export.validation.check import INVALID, VENDOR, Check, account_missing, failed
from tap_pleo_export.validation.item import key_of, lines_of, vendor_of
from tap_pleo_export.validation.required_configuration import required_configuration
from tap_pleo_export.validation.verdict import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_pleo_export.validation.settings import Settings
    from tap_pleo_export.validation.verdict import Finding, Method, Record

UNKNOWN_VENDOR = (
    "Selected vendor cannot be processed because it does not exist or is currently blocked. "
    "Please verify the vendor’s status in the accounting system and try again."  # noqa: RUF001 - Pleo's apostrophe
)


def builtin_checks(settings: Settings) -> Iterator[Check]:
    """Yield the built-in checks that these settings switch on, in their public order."""
    yield required_configuration(settings)
    yield _expense_gl_account(settings)
    known = settings.references
    if "gl_accounts" in known:
        yield _gl_account_exists(known["gl_accounts"])
    if "tax_codes" in known:
        yield _tax_code_exists(known["tax_codes"])
    if "tags" in known:
        yield _tag_exists(known["tags"])
    if "vendors" in known:
        yield _vendor_exists(known["vendors"], settings)


_LINES = frozenset({"accountingEntryLines"})


def _expense_gl_account(settings: Settings) -> Check:
    name, exempt = "expense_gl_account", settings.gl_account_not_required_for

    def judge(record: Record, _method: Method) -> list[Finding]:
        if exempt and record.get("type") in exempt:
            return []
        lines = lines_of(record)
        if not lines:
            return [account_missing(name, "(item has no lines)", "/accountingEntryLines", Subject("glAccount"))]
        findings = []
        for index, line in enumerate(lines):
            account = line.get("account") or {}
            if not key_of(account, "code", "identifier"):
                subject = Subject("glAccount", line=index + 1, name=key_of(account, "name"))
                label = " ".join(filter(None, (subject.name, f"(line {subject.line})")))
                findings.append(account_missing(name, label, f"/accountingEntryLines/{index}/account", subject))
        return findings

    return Check(name, "error", judge, _LINES | ({"type"} if exempt else set()))


def _gl_account_exists(known: frozenset[str]) -> Check:
    name = "gl_account_exists"

    def judge(record: Record, _method: Method) -> list[Finding]:
        findings = []
        for index, line in enumerate(lines_of(record)):
            account = line.get("account")
            code = account and key_of(account, "code", "identifier")
            if code and code not in known:
                reason = f"Account No. {code} does not exist in the Accounting System. Check Category."
                subject = Subject("glAccount", line=index + 1, code=code)
                findings.append(failed(name, INVALID, reason, f"/accountingEntryLines/{index}/account", subject))
        return findings

    return Check(name, "error", judge, _LINES)


def _tax_code_exists(known: frozenset[str]) -> Check:
    name = "tax_code_exists"

    def judge(record: Record, _method: Method) -> list[Finding]:
        findings = []
        for index, line in enumerate(lines_of(record)):
            tax = line.get("tax")
            code = tax and key_of(tax, "code")
            if code and code not in known:
                reason = f"Tax Code {code} does not exist in the Accounting System"
                subject = Subject("taxCode", line=index + 1, code=code)
                findings.append(failed(name, INVALID, reason, f"/accountingEntryLines/{index}/tax", subject))
        return findings

    return Check(name, "error", judge, _LINES)


def _tag_exists(known: frozenset[str]) -> Check:
    name = "tag_exists"

    def judge(record: Record, _method: Method) -> list[Finding]:
        findings = []
        for index, line in enumerate(lines_of(record)):
            for place, tag in enumerate(line.get("tags") or ()):
                code = tag and key_of(tag, "code")
                if code and code not in known:
                    reason = f"Tag with code {code} does not exist on the Accounting System. Check the Tag."
                    path = f"/accountingEntryLines/{index}/tags/{place}"
                    subject = Subject("tag", line=index + 1, code=code)
                    findings.append(failed(name, INVALID, reason, path, subject))
        return findings

    return Check(name, "error", judge, _LINES)


def _vendor_exists(known: frozenset[str], settings: Settings) -> Check:
    name = "vendor_exists"

    def judge(record: Record, _method: Method) -> list[Finding]:
        own = vendor_of(record, settings.null_bookkeeping)
        if own is None or own[1] in known:
            return []
        path, code = own
        subject = Subject("vendor", code=code, name=key_of(record[path[1:]], "name"))
        return [failed(name, VENDOR, UNKNOWN_VENDOR, path, subject)]

    own_supplier = {"bookkeeping", "supplier"} if settings.null_bookkeeping == "accounts_payable" else set()
    return Check(name, "error", judge, frozenset({"vendor", *own_supplier}))
