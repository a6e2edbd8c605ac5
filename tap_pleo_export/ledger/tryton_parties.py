"""Vendors and employees as Tryton's parties: found by code, else by name and tax identifier; created if missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_pleo_export.ledger.tryton_rpc import TrytonRefusal, TrytonRpc, char

if TYPE_CHECKING:
    from tap_pleo_export.books.vouchers import Party, Voucher

Key = tuple[str, str, str]
"""Code, name and tax identifier in Tryton; name and tax identifier are empty where the code is known."""


@dataclass(frozen=True)
class PartyRecord:
    """A party of Tryton and an address, which invoices require."""

    id: int
    address: int


class Parties:
    """The parties of a run."""

    def __init__(self, rpc: TrytonRpc, employee_prefix: str) -> None:
        self._rpc = rpc
        self._prefix = employee_prefix
        self._known: dict[Key, PartyRecord | str] = {}

    def prepare(self, vouchers: Iterable[Voucher]) -> None:
        """Find or create the vendors and employees of vouchers, with few requests."""
        wanted: dict[Key, Party] = {}
        for voucher in vouchers:
            for party, prefix in ((voucher.vendor, ""), (voucher.employee, self._prefix)):
                if party and (key := _key(party, prefix)) not in self._known:
                    wanted[key] = party
        coded = {key: party for key, party in wanted.items() if key[0]}
        if coded:
            self._prepare_coded(coded)
        for key in wanted.keys() - coded.keys():
            self._known[key] = self._named(key, wanted[key])

    def get(self, party: Party, *, is_employee: bool) -> PartyRecord | str:
        """Return the record of a prepared party, or the reason why it has none."""
        return self._known[_key(party, self._prefix if is_employee else "")]

    def _prepare_coded(self, wanted: dict[Key, Party]) -> None:
        ids = self._ids_by_code(wanted)
        missing = [key for key in wanted if key[0] not in ids]
        if missing:
            try:
                self._rpc.call("model.party.party.create", [_values(wanted[key], key[0]) for key in missing])
            except TrytonRefusal:
                self._create_singly(missing, wanted)
            ids = self._ids_by_code(wanted)
        addresses = self._addresses([ids[key[0]] for key in wanted if key[0] in ids])
        self._known |= {key: PartyRecord(ids[key[0]], addresses[ids[key[0]]]) for key in wanted if key[0] in ids}

    def _create_singly(self, keys: Iterable[Key], wanted: dict[Key, Party]) -> None:
        for key in keys:
            try:
                self._rpc.call("model.party.party.create", [_values(wanted[key], key[0])])
            except TrytonRefusal as refusal:
                # Another process may have created it: then it is found by its code.
                self._known[key] = str(refusal)

    def _ids_by_code(self, wanted: Iterable[Key]) -> dict[str, int]:
        rows = self._rpc.search("party.party", [("code", "in", [key[0] for key in wanted])], ["code"])
        return {row["code"]: row["id"] for row in rows}

    def _named(self, key: Key, party: Party) -> PartyRecord | str:
        _, name, tax_identifier = key
        conditions: list[Any] = [("name", "=", name)]
        if tax_identifier:
            conditions.append(["OR", ("identifiers.code", "=", tax_identifier), ("identifiers", "=", None)])
        found = [row["id"] for row in self._rpc.search("party.party", conditions, ["id"])]
        if len(found) > 1:
            return f"Tryton has {len(found)} parties named {name}: give the vendor a code in Pleo"
        try:
            (id_,) = found or self._rpc.call("model.party.party.create", [_values(party, None)])
        except TrytonRefusal as refusal:
            return str(refusal)
        return PartyRecord(id_, self._addresses([id_])[id_])

    def _addresses(self, parties: list[int]) -> dict[int, int]:
        rows = self._rpc.search("party.address", [("party", "in", parties)], ["party"])
        found = {row["party"]: row["id"] for row in reversed(rows)}
        missing = [party for party in parties if party not in found]
        if missing:
            ids = self._rpc.call("model.party.address.create", [{"party": party} for party in missing])
            found |= dict(zip(missing, ids, strict=True))
        return found


def _key(party: Party, prefix: str) -> Key:
    if code := char(party.code or party.external_id):
        return prefix + code, "", ""
    return "", char(party.name), char(party.tax_identifier)


def _values(party: Party, code: str | None) -> dict[str, Any]:
    identifier = char(party.tax_identifier)
    return {
        "name": char(party.name) or code,
        **({"code": code} if code else {}),
        "addresses": [("create", [{}])],
        "identifiers": [("create", [{"type": None, "code": identifier}])] if identifier else [],
    }
