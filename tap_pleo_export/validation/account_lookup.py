"""Finds the journal and accounts that an item requires, in the item and in its company's configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_pleo_export.validation.item import currency_of, key_of, vendor_of
from tap_pleo_export.validation.settings import ANY, Company, Settings
from tap_pleo_export.validation.verdict import Posting
from tap_pleo_export.validation.vocabulary import NO_ACCOUNT

if TYPE_CHECKING:
    from tap_pleo_export.validation.requirements import Requirement
    from tap_pleo_export.validation.verdict import Method, Record

Provided = str | tuple[str, str | None] | None


class AccountLookup:
    """Looks up requirements in items and settings."""

    def __init__(self, settings: Settings) -> None:
        self._requirements = settings.requirements.needs
        self._companies = settings.companies
        self._fallback = settings.companies.get(ANY, Company())
        self._null_bookkeeping = settings.null_bookkeeping

    def missing_requirements(self, record: Record, method: Method) -> list[Requirement]:
        """Return the requirements that neither the item nor its company's configuration fulfils."""
        company = self._company(record)
        missing = []
        for requirement in self._requirements(method, record.get("type")):
            for role in requirement:
                if self._provided(role, record, company):
                    break
            else:
                missing.append(requirement)
        return missing

    def posting(self, record: Record, method: Method) -> Posting | None:
        """Return the journal and the counter account: the last account that the item requires.

        Returns:
            None if the item requires a vendor and has none.
        """
        company = self._company(record)
        journal = account = account_role = None
        for requirement in self._requirements(method, record.get("type")):
            for role in requirement:
                if found := self._provided(role, record, company):
                    if role == "journal":
                        journal = found
                    elif role != "vendor":
                        account, account_role = found, role
                    break
            else:
                if "vendor" in requirement:
                    return None
                if not NO_ACCOUNT.issuperset(requirement):
                    account = account_role = None
        return Posting(journal, account, account_role)  # type: ignore[arg-type] # only a vendor is not a string

    def _company(self, record: Record) -> Company:
        company = record.get("companyId")
        return self._companies.get(company.lower(), self._fallback) if company else self._fallback

    def _provided(self, role: str, record: Record, company: Company) -> Provided:
        """Return the code for a role, or path and key of a vendor; None or an empty value if there is none."""
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
