"""The needs table: which journal and accounts an export item calls for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tap_pleo_export.validation.verdict import METHODS
from tap_pleo_export.validation.vocabulary import OWN_ROLES

Requirement = tuple[str, ...]
"""Roles of which any one will do."""


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
        """Compile rows that are valid by `validation_requirements.schema.json`."""
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
        """Return what an item of this type calls for when recorded by this method; empty if no row matches."""
        found = self.by_type.get((method, type_))
        return self.otherwise.get(method, ()) if found is None else found


def account_roles(rows: list[dict[str, Any]]) -> set[str]:
    """Return the roles that a needs table expects in `accounts`."""
    needs = (need for row in rows for need in row["needs"])
    roles = {role for need in needs for role in ([need] if isinstance(need, str) else need)}
    return roles.difference(OWN_ROLES)
