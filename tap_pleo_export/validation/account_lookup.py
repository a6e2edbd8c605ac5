"""What an item and its company's configuration provide of what the needs table calls for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_pleo_export.validation.item import currency_of, key_of, vendor_of
from tap_pleo_export.validation.settings import ANY, Company, Settings
from tap_pleo_export.validation.verdict import Posting
from tap_pleo_export.validation.vocabulary import NO_ACCOUNT

if TYPE_CHECKING:
    from tap_pleo_export.validation.requirements import Need
    from tap_pleo_export.validation.verdict import Method, Record

Provided = str | tuple[str, str | None] | None


class Provision:
    """Looks needs up in items and settings."""

    def __init__(self, settings: Settings) -> None:
        self._needs = settings.requirements.needs
        self._companies = settings.companies
        self._fallback = settings.companies.get(ANY, Company())
        self._null_bookkeeping = settings.null_bookkeeping

    def unmet(self, record: Record, method: Method) -> list[Need]:
        """Return the needs of which no alternative is provided."""
        company = self._company(record)
        unmet = []
        for need in self._needs(method, record.get("type")):
            for role in need:
                if self._provided(role, record, company):
                    break
            else:
                unmet.append(need)
        return unmet

    def posting(self, record: Record, method: Method) -> Posting | None:
        """Return the journal and the counter account: the last account that the item calls for.

        Returns:
            None if the item calls for a vendor and has none.
        """
        company = self._company(record)
        journal = account = account_role = None
        for need in self._needs(method, record.get("type")):
            for role in need:
                if found := self._provided(role, record, company):
                    if role == "journal":
                        journal = found
                    elif role != "vendor":
                        account, account_role = found, role
                    break
            else:
                if "vendor" in need:
                    return None
                if not NO_ACCOUNT.issuperset(need):
                    account = account_role = None
        return Posting(journal, account, account_role)  # type: ignore[arg-type] # only a vendor is no text

    def _company(self, record: Record) -> Company:
        company = record.get("companyId")
        return self._companies.get(company.lower(), self._fallback) if company else self._fallback

    def _provided(self, role: str, record: Record, company: Company) -> Provided:
        """Return what a role stands for: a code, for a vendor its path and key; nothing if it is not provided."""
        if role == "journal":
            return company.journal
        if role == "contraAccount":
            contra = record.get("contraAccount")
            return key_of(contra, "code", "identifier") if contra else None
        if role == "vendor":
            return vendor_of(record, self._null_bookkeeping)
        account = company.accounts.get(role)
        if isinstance(account, dict):
            return account.get(currency_of(record) or ANY) or account.get(ANY)
        return account
