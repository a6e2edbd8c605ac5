"""The configuration of `pleo-export-book`: which accounting system, and the companies' names there."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from tap_pleo_export.ledger.adapter import Ledger

SHIPPED = {"tryton": "tap_pleo_export.ledger.tryton:Tryton"}
_MEMBERS: dict[str, tuple[type, ...]] = {
    "adapter": (str,),
    "receipts": (str,),
    "companies": (dict,),
    "options": (dict,),
}


class ConfigurationError(Exception):
    """The configuration cannot be used; the message is one line with the remedy."""


@dataclass(frozen=True)
class Configuration:
    """Content of the TOML file.

    Attributes:
        path: Of the file.
        ledger: Class of the accounting system.
        companies: The companies' names or ids in the accounting system by Pleo's ids.
        receipts: Folder of the stored receipts.
        options: Arguments of the accounting system's class.
    """

    path: Path
    ledger: type[Ledger]
    companies: dict[str, str | int]
    receipts: Path | None
    options: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Configuration:
        """Read a file; relative paths in it start at its folder, where Python modules are found, too.

        Raises:
            ConfigurationError: It cannot be used.
        """
        try:
            members = tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read ({error.strerror}): name it with --config") from None
        except ValueError as error:
            raise ConfigurationError(f"{path} is not TOML: {error}") from None
        if problems := list(_problems(members)):
            raise ConfigurationError(f"{path}: {'; '.join(problems)}")
        receipts = path.parent / members["receipts"] if "receipts" in members else None
        if receipts and not receipts.is_dir():
            raise ConfigurationError(f"{path}: receipts: {receipts} is not a folder: name the attachments' destination")
        companies = {company.lower(): name for company, name in members.get("companies", {}).items()}
        return cls(path, _load(path, members["adapter"]), companies, receipts, members.get("options", {}))

    def choose(self, wanted: Sequence[str], waiting: Sequence[str]) -> list[str]:
        """Return the companies to book: those wanted, else all with vouchers to book.

        Raises:
            ConfigurationError: One of them has no name in the accounting system.
        """
        chosen = list(dict.fromkeys(company.lower() for company in wanted or waiting))
        if unknown := [company for company in chosen if company not in self.companies]:
            raise ConfigurationError(
                f"{self.path}: no entry in [companies] for {', '.join(unknown)}: add one, or name others with --company"
            )
        return chosen

    def open(self, company: str) -> Ledger:
        """Open the accounting system for a company.

        Raises:
            ConfigurationError: An option is missing, unknown or wrong.
            LedgerUnavailable: It cannot be reached.
        """
        try:
            return self.ledger(self.companies[company], self.receipts, **self.options)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"{self.path}: [options]: {error}") from None


def _problems(members: dict[str, Any]) -> list[str]:
    found = [f"unknown '{name}', remove it" for name in members if name not in _MEMBERS]
    for name, kinds in _MEMBERS.items():
        if name in members and not isinstance(members[name], kinds):
            found.append(f"'{name}' must be a {'table' if kinds == (dict,) else 'text'}")
    if "adapter" not in members:
        found.append(f"'adapter' is missing: write one of {', '.join(SHIPPED)}, or \"package.module:Class\"")
    names = members.get("companies", {})
    if isinstance(names, dict) and not all(isinstance(name, str | int) for name in names.values()):
        found.append("'companies' must have names or ids as values")
    return found


def _load(path: Path, name: str) -> type[Ledger]:
    module, _, attribute = SHIPPED.get(name, name).partition(":")
    sys.path.append(str(path.resolve().parent))
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"{path}: adapter '{name}' cannot be loaded: {error}") from None
    if not (isinstance(found, type) and issubclass(found, Ledger)):
        raise ConfigurationError(f"{path}: adapter '{name}' is not a subclass of tap_pleo_export.ledger.adapter.Ledger")
    return found
