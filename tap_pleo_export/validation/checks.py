"""The built-in checks: pure functions from a record and its bookkeeping method to findings.

Texts and failure types are Pleo's documented ones (integration design, "update export items").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tap_pleo_export.validation.json_schema import Field
from tap_pleo_export.validation.requirements import Need
from tap_pleo_export.validation.settings import ANY, Company, Settings
from tap_pleo_export.validation.verdict import Finding, Method, Record, Severity
from tap_pleo_export.validation.vocabulary import BALANCE_MOVES, OWN_ROLES

MISSING = "missing_configuration"
INVALID = "invalid_configuration"
VENDOR = "vendor_unknown"

NO_VENDOR = "Vendor missing: select a vendor for this item"
UNKNOWN_VENDOR = (
    "Selected vendor cannot be processed because it does not exist or is currently blocked. "
    "Please verify the vendor’s status in the accounting system and try again."  # noqa: RUF001 - Pleo's apostrophe
)

_NOWHERE = Company()

_ALWAYS_READ: tuple[Field, ...] = (("type",), ("bookkeeping",), ("bookkeeping", "method"), ("companyId",))
_ROLE_READS: dict[str, tuple[Field, ...]] = {
    "contraAccount": (("contraAccount", "code"), ("contraAccount", "identifier")),
    "vendor": (("vendor",),),
}
_NO_FIELDS: tuple[Field, ...] = ()
_SUPPLIER: Field = ("supplier",)
_CURRENCY: Field = ("amount", "inWalletCurrency", "currency")


@dataclass(frozen=True, slots=True)
class Check:
    """A check as the validator runs it.

    Attributes:
        id: Public name.
        severity: `error` or `warning`.
        judge: Returns the findings on a record; none if it is in order. May raise on a record of another shape.
        fields: Fields that the check may need.
        reads: Returns those of them that it needs to judge this record; by default all.
    """

    id: str
    severity: Severity
    judge: Callable[[Record, Method], Sequence[Finding]]
    fields: frozenset[Field]
    reads: Callable[[Record, Method], Iterable[Field]] | None = None


def bookkeeping_method(record: Record, null_bookkeeping: Method) -> tuple[Method, bool]:
    """Return how an item is recorded, and whether its method is one that Pleo documents."""
    if record.get("type") in BALANCE_MOVES:
        return "journal", True
    bookkeeping = record.get("bookkeeping")
    if bookkeeping is None:
        return null_bookkeeping, True
    method = bookkeeping.get("method") if isinstance(bookkeeping, dict) else bookkeeping
    if method == "accounts_payable":
        return "accounts_payable", True
    return "journal", method in ("journal", "none")


def builtin_checks(settings: Settings) -> Iterator[Check]:
    """Yield the built-in checks that these settings switch on, in their public order."""
    yield _required_configuration(settings)
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


def _failed(check: str, kind: str, reason: str, path: str) -> Finding:
    return Finding(check, "failed", "error", kind, reason, path)


def _account_missing(check: str, name: str, path: str) -> Finding:
    return _failed(
        check, MISSING, f"Account {name} missing: provide account {name} in the configurations", path
    )


def _key(entity: dict[str, Any], *names: str) -> str | None:
    """Return the first of an entity's members that is neither null nor blank, as text."""
    for name in names:
        value = entity.get(name)
        if value is not None and (text := str(value).strip()):
            return text
    return None


def _own_vendor(record: Record, settings: Settings) -> tuple[str, str | None] | None:
    """Return the path and the key of the item's vendor, or of the supplier that stands in; None if there is none."""
    if vendor := record.get("vendor"):
        return "/vendor", _key(vendor, "code", "externalId")
    stands_in = settings.null_bookkeeping == "accounts_payable" and record.get("bookkeeping") is None
    if (
        stands_in
        and (supplier := record.get("supplier"))
        and (key := _key(supplier, "code", "account", "taxIdentifier"))
    ):
        return "/supplier", key
    return None


def _required_configuration(settings: Settings) -> Check:
    name = "required_configuration"
    companies, table = settings.companies, settings.requirements
    fallback = companies.get(ANY, _NOWHERE)

    def company_of(record: Record) -> Company:
        company = record.get("companyId")
        return companies.get(company.lower(), fallback) if company else fallback

    def currency_of(record: Record) -> str | None:
        amount = (record.get("amount") or {}).get("inWalletCurrency") or {}
        currency: str | None = amount.get("currency")
        return currency

    def provided(role: str, record: Record, company: Company) -> object:
        if role == "contraAccount":
            contra = record.get("contraAccount")
            return contra and _key(contra, "code", "identifier")
        if role == "journal":
            return company.journal
        if role == "vendor":
            return _own_vendor(record, settings)
        account = company.accounts.get(role)
        if isinstance(account, dict):
            return account.get(currency_of(record) or ANY) or account.get(ANY)
        return account

    def judge(record: Record, method: Method) -> list[Finding]:
        company = company_of(record)
        findings = []
        for need in table.needs(method, record.get("type")):
            for role in need:
                if provided(role, record, company):
                    break
            else:
                findings.append(unmet(need, record))
        return findings

    def unmet(need: Need, record: Record) -> Finding:
        """Word an unmet need: the user can provide what the configuration holds, so that is named first."""
        path = next((f"/{role}" for role in ("contraAccount", "vendor") if role in need), "/companyId")
        place = f"({currency_of(record) or 'currency unknown'})"
        if accounts := [role for role in need if role not in OWN_ROLES]:
            return _account_missing(name, f"{' or '.join(accounts)} {place}", path)
        if "journal" in need:
            journal = f"(company {record.get('companyId') or 'unknown'})"
            reason = f"Journal {journal} missing: provide journal {journal} in the configurations"
            return _failed(name, MISSING, reason, path)
        if "contraAccount" in need:
            contra = record.get("contraAccount") or {}
            return _account_missing(name, f"{_key(contra, 'name') or 'contraAccount'} {place}", path)
        return _failed(name, VENDOR, NO_VENDOR, path)

    def reads(record: Record, method: Method) -> Iterator[Field]:
        yield from _ALWAYS_READ
        for role in {role for need in table.needs(method, record.get("type")) for role in need}:
            yield from _ROLE_READS.get(role, _NO_FIELDS)
            if role == "vendor" and settings.null_bookkeeping == "accounts_payable":
                yield _SUPPLIER
            elif isinstance(company_of(record).accounts.get(role), dict):
                yield _CURRENCY

    fields = {*_ALWAYS_READ, *_ROLE_READS["contraAccount"], *_ROLE_READS["vendor"], _SUPPLIER, _CURRENCY}
    return Check(name, "error", judge, frozenset(fields), reads)


def _lines(record: Record) -> list[dict[str, Any]]:
    return record.get("accountingEntryLines") or []


_GL_FIELDS = frozenset(("accountingEntryLines", "account", name) for name in ("code", "identifier"))


def _expense_gl_account(settings: Settings) -> Check:
    name, exempt = "expense_gl_account", settings.gl_account_not_required_for

    def judge(record: Record, _method: Method) -> list[Finding]:
        if exempt and record.get("type") in exempt:
            return []
        lines = _lines(record)
        if not lines:
            return [_account_missing(name, "(item has no lines)", "/accountingEntryLines")]
        findings = []
        for index, line in enumerate(lines):
            account = line.get("account") or {}
            if not _key(account, "code", "identifier"):
                label = " ".join(filter(None, (_key(account, "name"), f"(line {index + 1})")))
                findings.append(_account_missing(name, label, f"/accountingEntryLines/{index}/account"))
        return findings

    return Check(name, "error", judge, _GL_FIELDS | ({("type",)} if exempt else set()))


def _gl_account_exists(known: frozenset[str]) -> Check:
    name = "gl_account_exists"

    def judge(record: Record, _method: Method) -> list[Finding]:
        findings = []
        for index, line in enumerate(_lines(record)):
            account = line.get("account")
            code = account and _key(account, "code", "identifier")
            if code and code not in known:
                reason = f"Account No. {code} does not exist in the Accounting System. Check Category."
                findings.append(_failed(name, INVALID, reason, f"/accountingEntryLines/{index}/account"))
        return findings

    return Check(name, "error", judge, _GL_FIELDS)


def _tax_code_exists(known: frozenset[str]) -> Check:
    name = "tax_code_exists"

    def judge(record: Record, _method: Method) -> list[Finding]:
        findings = []
        for index, line in enumerate(_lines(record)):
            tax = line.get("tax")
            code = tax and _key(tax, "code")
            if code and code not in known:
                reason = f"Tax Code {code} does not exist in the Accounting System"
                findings.append(_failed(name, INVALID, reason, f"/accountingEntryLines/{index}/tax"))
        return findings

    return Check(name, "error", judge, frozenset({("accountingEntryLines", "tax", "code")}))


def _tag_exists(known: frozenset[str]) -> Check:
    name = "tag_exists"

    def judge(record: Record, _method: Method) -> list[Finding]:
        findings = []
        for index, line in enumerate(_lines(record)):
            for place, tag in enumerate(line.get("tags") or ()):
                code = tag and _key(tag, "code")
                if code and code not in known:
                    reason = f"Tag with code {code} does not exist on the Accounting System. Check the Tag."
                    path = f"/accountingEntryLines/{index}/tags/{place}"
                    findings.append(_failed(name, INVALID, reason, path))
        return findings

    return Check(name, "error", judge, frozenset({("accountingEntryLines", "tags", "code")}))


def _vendor_exists(known: frozenset[str], settings: Settings) -> Check:
    name = "vendor_exists"

    def judge(record: Record, _method: Method) -> list[Finding]:
        own = _own_vendor(record, settings)
        if own is None or own[1] in known:
            return []
        return [_failed(name, VENDOR, UNKNOWN_VENDOR, own[0])]

    fields: set[Field] = {("vendor", "code"), ("vendor", "externalId")}
    if settings.null_bookkeeping == "accounts_payable":
        fields |= {("bookkeeping",), _SUPPLIER}
    return Check(name, "error", judge, frozenset(fields))
