"""The built-in checks: functions from a record and its bookkeeping method to findings. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tap_pleo_export.validation.item import currency_of, key_of, lines_of, vendor_of
from tap_pleo_export.validation.requirements import AccountLookup
from tap_pleo_export.validation.verdict import Check, Finding, Subject
from tap_pleo_export.validation.vocabulary import OWN_ROLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_pleo_export.validation.requirements import Requirement
    from tap_pleo_export.validation.settings import Settings
    from tap_pleo_export.validation.verdict import Method, Record

CONFIGURATION = "required_configuration"
MISSING = "missing_configuration"
INVALID = "invalid_configuration"
VENDOR = "vendor_unknown"
NO_VENDOR = "Vendor missing: select a vendor for this item"
UNKNOWN_ACCOUNT = "Account No. {} does not exist in the Accounting System. Check Category."
UNKNOWN_TAX = "Tax Code {} does not exist in the Accounting System"
UNKNOWN_TAG = "Tag with code {} does not exist on the Accounting System. Check the Tag."
UNKNOWN_VENDOR = (
    "Selected vendor cannot be processed because it does not exist or is currently blocked. "
    "Please verify the vendor’s status in the accounting system and try again."
)


def builtin_checks(settings: Settings) -> Iterator[Check]:
    """Yield the built-in checks that these settings enable, in their public order."""
    yield _required_configuration(settings)
    yield _expense_gl_account(settings)
    known = settings.references
    for list_name, check in _LINE_CHECKS.items():
        if list_name in known:
            yield _codes_exist(check, known[list_name])
    if "vendors" in known:
        yield _vendor_exists(known["vendors"], settings)


def _required_configuration(settings: Settings) -> Check:
    accounts = AccountLookup(settings.requirements, settings.companies, settings.null_bookkeeping)

    def judge(record: Record, method: Method) -> list[Finding]:
        return [_missing(requirement, record) for requirement in accounts.missing_requirements(record, method)]

    reads = {"type", "bookkeeping", "companyId", "amount", "contraAccount", "vendor"}
    if settings.null_bookkeeping == "accounts_payable":
        reads.add("supplier")
    return Check(CONFIGURATION, "error", judge, frozenset(reads))


def _missing(requirement: Requirement, record: Record) -> Finding:
    """Describe a missing requirement, preferably as a gap in the configuration, else as a gap in the item."""
    path = next((f"/{role}" for role in ("contraAccount", "vendor") if role in requirement), "/companyId")
    role = _leading_role(requirement)
    if role == "vendor":
        return _failed(CONFIGURATION, VENDOR, NO_VENDOR, path, Subject(role))
    others = tuple(other for other in requirement if other != role)
    company = record.get("companyId") or None
    if role == "journal":
        label = f"(company {company or 'unknown'})"
        reason = f"Journal {label} missing: provide journal {label} in the configurations"
        return _failed(CONFIGURATION, MISSING, reason, path, Subject(role, others, company_id=company))
    currency = currency_of(record)
    name = key_of(record.get("contraAccount") or {}, "name") if "contraAccount" in requirement else None
    accounts = " or ".join(role for role in requirement if role not in OWN_ROLES) or name or role
    subject = Subject(role, others, name=name, currency=currency, company_id=company)
    return _account_missing(CONFIGURATION, f"{accounts} ({currency or 'currency unknown'})", path, subject)


def _leading_role(requirement: Requirement) -> str:
    """Return the role that the finding is about: an account of the configuration, if one would do."""
    accounts = (role for role in requirement if role not in OWN_ROLES)
    return next(accounts, None) or next(role for role in ("journal", "contraAccount", "vendor") if role in requirement)


_LINES = frozenset({"accountingEntryLines"})


def _expense_gl_account(settings: Settings) -> Check:
    name, exempt = "expense_gl_account", settings.gl_account_not_required_for

    def judge(record: Record, _method: Method) -> list[Finding]:
        if exempt and record.get("type") in exempt:
            return []
        lines = lines_of(record)
        if not lines:
            return [_account_missing(name, "(item has no lines)", "/accountingEntryLines", Subject("glAccount"))]
        findings = []
        for index, line in enumerate(lines):
            account = line.get("account") or {}
            if not key_of(account, "code", "identifier"):
                subject = Subject("glAccount", line=index + 1, name=key_of(account, "name"))
                label = " ".join(filter(None, (subject.name, f"(line {subject.line})")))
                findings.append(_account_missing(name, label, f"/accountingEntryLines/{index}/account", subject))
        return findings

    return Check(name, "error", judge, _LINES | ({"type"} if exempt else set()))


class _LineCheck(NamedTuple):
    """A check that all codes of a member of the lines are in a reference list."""

    id: str
    role: str
    member: str
    reason: str
    codes: Callable[[Record], list[str | None]]


def _codes_exist(check: _LineCheck, known: frozenset[str]) -> Check:
    name, role, member, reason, codes = check

    def judge(record: Record, _method: Method) -> list[Finding]:
        findings = []
        for index, line in enumerate(lines_of(record)):
            for place, code in enumerate(codes(line)):
                if code and code not in known:
                    path = f"/accountingEntryLines/{index}/{member}" + (f"/{place}" if member == "tags" else "")
                    subject = Subject(role, line=index + 1, code=code)
                    findings.append(_failed(name, INVALID, reason.format(code), path, subject))
        return findings

    return Check(name, "error", judge, _LINES)


def _account_codes(line: Record) -> list[str | None]:
    return [key_of(line.get("account") or {}, "code", "identifier")]


def _tax_codes(line: Record) -> list[str | None]:
    return [key_of(line.get("tax") or {}, "code")]


def _tag_codes(line: Record) -> list[str | None]:
    return [key_of(tag or {}, "code") for tag in line.get("tags") or ()]


_LINE_CHECKS = {
    "gl_accounts": _LineCheck("gl_account_exists", "glAccount", "account", UNKNOWN_ACCOUNT, _account_codes),
    "tax_codes": _LineCheck("tax_code_exists", "taxCode", "tax", UNKNOWN_TAX, _tax_codes),
    "tags": _LineCheck("tag_exists", "tag", "tags", UNKNOWN_TAG, _tag_codes),
}
"""By reference list."""


def _vendor_exists(known: frozenset[str], settings: Settings) -> Check:
    name = "vendor_exists"

    def judge(record: Record, _method: Method) -> list[Finding]:
        own = vendor_of(record, settings.null_bookkeeping)
        if own is None or own[1] in known:
            return []
        path, code = own
        subject = Subject("vendor", code=code, name=key_of(record[path[1:]], "name"))
        return [_failed(name, VENDOR, UNKNOWN_VENDOR, path, subject)]

    own_supplier = {"bookkeeping", "supplier"} if settings.null_bookkeeping == "accounts_payable" else set()
    return Check(name, "error", judge, frozenset({"vendor", *own_supplier}))


def _failed(check: str, kind: str, reason: str, path: str, subject: Subject) -> Finding:
    return Finding(check, "failed", "error", kind, reason, path, subject)


def _account_missing(check: str, label: str, path: str, subject: Subject) -> Finding:
    """Return the finding that an account is not provided; its label may end with its place in brackets."""
    reason = f"Account {label} missing: provide account {label} in the configurations"
    return _failed(check, MISSING, reason, path, subject)
