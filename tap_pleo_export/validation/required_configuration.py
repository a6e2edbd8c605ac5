"""The check `required_configuration`: what an item calls for exists in its company's configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_pleo_export.validation.account_lookup import Provision
from tap_pleo_export.validation.check import MISSING, VENDOR, Check, account_missing, failed
from tap_pleo_export.validation.item import currency_of, key_of
from tap_pleo_export.validation.vocabulary import OWN_ROLES

if TYPE_CHECKING:
    from tap_pleo_export.validation.requirements import Need
    from tap_pleo_export.validation.settings import Settings
    from tap_pleo_export.validation.verdict import Finding, Method, Record

ID = "required_configuration"
NO_VENDOR = "Vendor missing: select a vendor for this item"


def required_configuration(settings: Settings) -> Check:
    """Return the check for these settings."""
    provision = Provision(settings)

    def judge(record: Record, method: Method) -> list[Finding]:
        """Return one finding for each need of which no alternative is provided."""
        return [_unmet(need, record) for need in provision.unmet(record, method)]

    reads = {"type", "bookkeeping", "companyId", "amount", "contraAccount", "vendor"}
    if settings.null_bookkeeping == "accounts_payable":
        reads.add("supplier")
    return Check(ID, "error", judge, frozenset(reads))


def _unmet(need: Need, record: Record) -> Finding:
    """Word an unmet need by what the user can configure, if anything; else by what the item lacks."""
    path = next((f"/{role}" for role in ("contraAccount", "vendor") if role in need), "/companyId")
    currency = f"({currency_of(record) or 'currency unknown'})"
    if accounts := [role for role in need if role not in OWN_ROLES]:
        return account_missing(ID, f"{' or '.join(accounts)} {currency}", path)
    if "journal" in need:
        journal = f"(company {record.get('companyId') or 'unknown'})"
        return failed(ID, MISSING, f"Journal {journal} missing: provide journal {journal} in the configurations", path)
    if "contraAccount" in need:
        name = key_of(record.get("contraAccount") or {}, "name") or "contraAccount"
        return account_missing(ID, f"{name} {currency}", path)
    return failed(ID, VENDOR, NO_VENDOR, path)
