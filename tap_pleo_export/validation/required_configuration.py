"""The check `required_configuration`: what an item calls for exists in its company's configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_pleo_export.validation.account_lookup import AccountLookup
from tap_pleo_export.validation.check import MISSING, VENDOR, Check, account_missing, failed
from tap_pleo_export.validation.item import currency_of, key_of
from tap_pleo_export.validation.verdict import Subject
from tap_pleo_export.validation.vocabulary import OWN_ROLES

if TYPE_CHECKING:
    from tap_pleo_export.validation.requirements import Requirement
    from tap_pleo_export.validation.settings import Settings
    from tap_pleo_export.validation.verdict import Finding, Method, Record

ID = "required_configuration"
NO_VENDOR = "Vendor missing: select a vendor for this item"


def required_configuration(settings: Settings) -> Check:
    """Return the check for these settings."""
    accounts = AccountLookup(settings)

    def judge(record: Record, method: Method) -> list[Finding]:
        """Return a finding for each missing requirement."""
        return [_missing(requirement, record) for requirement in accounts.missing_requirements(record, method)]

    reads = {"type", "bookkeeping", "companyId", "amount", "contraAccount", "vendor"}
    if settings.null_bookkeeping == "accounts_payable":
        reads.add("supplier")
    return Check(ID, "error", judge, frozenset(reads))


def _missing(requirement: Requirement, record: Record) -> Finding:
    """Describe a missing requirement by what the user can configure, if anything; else by what the item lacks."""
    path = next((f"/{role}" for role in ("contraAccount", "vendor") if role in requirement), "/companyId")
    role = _leading_role(requirement)
    if role == "vendor":
        return failed(ID, VENDOR, NO_VENDOR, path, Subject(role))
    others = tuple(other for other in requirement if other != role)
    company = record.get("companyId") or None
    if role == "journal":
        label = f"(company {company or 'unknown'})"
        reason = f"Journal {label} missing: provide journal {label} in the configurations"
        return failed(ID, MISSING, reason, path, Subject(role, others, company_id=company))
    currency = currency_of(record)
    name = key_of(record.get("contraAccount") or {}, "name") if "contraAccount" in requirement else None
    accounts = " or ".join(role for role in requirement if role not in OWN_ROLES) or name or role
    subject = Subject(role, others, name=name, currency=currency, company_id=company)
    return account_missing(ID, f"{accounts} ({currency or 'currency unknown'})", path, subject)


def _leading_role(requirement: Requirement) -> str:
    """Return the role that the finding is about: an account of the configuration, if one would do."""
    accounts = (role for role in requirement if role not in OWN_ROLES)
    return next(accounts, None) or next(role for role in ("journal", "contraAccount", "vendor") if role in requirement)
