"""The needs table: which journal and accounts an export item requires, and where they are found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tap_pleo_export.validation.item import currency_of, key_of, vendor_of
from tap_pleo_export.validation.verdict import METHODS, Posting
from tap_pleo_export.validation.vocabulary import NO_ACCOUNT, OWN_ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_pleo_export.validation.verdict import Method, Record

ANY = "*"
"""The fallback among companies, and among the currencies of an account."""

Requirement = tuple[str, ...]
"""Roles of which any one is sufficient."""


@dataclass(frozen=True, slots=True)
class Company:
    """Journal and accounts that a company configures, without null and empty ones.

    Attributes:
        journal: Code of the journal.
        accounts: By role, a code or a map from wallet currency (or `*`) to code.
    """

    journal: str | None = None
    accounts: dict[str, str | dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NeedsTable:
    """Rows of `{when: {method?, types?}, needs}`, looked up by the first row that matches.

    Attributes:
        by_type: Needs by (method, type), for types that a row names.
        otherwise: Needs by method, for all other types.
    """

    by_type: dict[tuple[str, Any], tuple[Requirement, ...]] = field(default_factory=dict)
    otherwise: dict[str, tuple[Requirement, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: list[dict[str, Any]]) -> NeedsTable:
        """Compile valid rows."""
        table = cls()
        for row in rows:
            needs = tuple((need,) if isinstance(need, str) else tuple(need) for need in row["needs"])
            when = row["when"]
            for method in [when["method"]] if "method" in when else METHODS:
                if method in table.otherwise:
                    continue
                if "types" in when:
                    for type_ in when["types"]:
                        table.by_type.setdefault((method, type_), needs)
                else:
                    table.otherwise[method] = needs
        return table

    def needs(self, method: str, type_: object) -> tuple[Requirement, ...]:
        """Return the requirements of an item by method and type; empty if no row matches."""
        found = self.by_type.get((method, type_))
        return self.otherwise.get(method, ()) if found is None else found


def account_roles(rows: list[dict[str, Any]]) -> set[str]:
    """Return the roles that a needs table expects in `accounts`."""
    needs = (need for row in rows for need in row["needs"])
    roles = {role for need in needs for role in ([need] if isinstance(need, str) else need)}
    return roles.difference(OWN_ROLES)


class AccountLookup:
    """Looks up requirements in items and settings."""

    def __init__(self, table: NeedsTable, companies: dict[str, Company], null_bookkeeping: Method) -> None:
        self._requirements = table.needs
        self._companies = companies
        self._fallback = companies.get(ANY, Company())
        self._null_bookkeeping = null_bookkeeping

    def missing_requirements(self, record: Record, method: Method) -> list[Requirement]:
        """Return the requirements that neither the item nor its company's configuration fulfils."""
        return [requirement for requirement, role, _ in self._resolved(record, method) if role is None]

    def posting(self, record: Record, method: Method) -> Posting | None:
        """Return the journal and the last account that the item requires; None if a required vendor is missing."""
        journal = account = account_role = None
        for requirement, role, code in self._resolved(record, method):
            if role is None and "vendor" in requirement:
                return None
            if role == "journal":
                journal = code
            elif role is None and NO_ACCOUNT.issuperset(requirement):
                continue
            elif role != "vendor":
                account, account_role = code, role
        return Posting(journal, account, account_role)

    def _resolved(self, record: Record, method: Method) -> Iterator[tuple[Requirement, str | None, Any]]:
        """Yield each requirement with the role that fulfils it and the role's code; None for both if none does."""
        company = self._company(record)
        for requirement in self._requirements(method, record.get("type")):
            for role in requirement:
                if found := self._provided(role, record, company):
                    yield requirement, role, found
                    break
            else:
                yield requirement, None, None

    def _company(self, record: Record) -> Company:
        company = record.get("companyId")
        return self._companies.get(company.lower(), self._fallback) if company else self._fallback

    def _provided(self, role: str, record: Record, company: Company) -> object:
        """Return the code for a role, or path and key of a vendor; something falsy without one."""
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
