"""Tryton 8.0 as an accounting system, over its HTTP interface.

Bills and credit notes become supplier invoices, everything else moves. The key, `pleo:<voucher id>`, is the description
of the invoice or move.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tap_pleo_export.ledger.adapter import Booked, Ledger, LedgerUnavailable, Refused
from tap_pleo_export.ledger.tryton_company import read_company
from tap_pleo_export.ledger.tryton_drafts import DEFAULT_JOURNALS, INVOICE, MOVE, Drafter, Values
from tap_pleo_export.ledger.tryton_parties import Parties
from tap_pleo_export.ledger.tryton_rpc import TrytonRefusal, TrytonRpc, char
from tap_pleo_export.ledger.tryton_settlement import PREFIX, Settlement

if TYPE_CHECKING:
    from tap_pleo_export.books.vouchers import Party, Voucher

BATCH = 100
_UPLOAD_BYTES = 8_000_000
_SIMILAR = ".invoice_similar"
Answer = Booked | Refused


@dataclass
class Record:
    """An invoice or move in Tryton."""

    model: str
    id: int
    number: str = ""
    is_posted: bool = False
    move: int | None = None
    """Id of an invoice's move, or its own."""

    @property
    def reference(self) -> str:
        """Name by which other records refer to it."""
        return f"{self.model},{self.id}"


@dataclass
class Draft:
    """A voucher that is to be posted: its values, and its record once it exists."""

    voucher: Voucher
    model: str
    values: Values
    record: Record | None = None


class Tryton(Ledger):
    """Tryton 8.0 with the modules `account` and `account_invoice`, on PostgreSQL."""

    def __init__(
        self,
        rpc: TrytonRpc,
        companies: Mapping[str, str | int],
        *,
        receipts: Path | None = None,
        journals: Mapping[str, str] | None = None,
        employee_prefix: str = "EMP-",
    ) -> None:
        """Make an adapter; nothing is asked yet.

        Args:
            rpc: A session of Tryton.
            companies: Name or id of Tryton's company by Pleo's id.
            receipts: Folder in which `map-pleo-attachments` stores; None to attach no receipts.
            journals: Code of the journal by document, for vouchers without one; `*` for all others.
            employee_prefix: Stands before an employee's code in the code of the employee's party.
        """
        self._rpc = rpc
        self._names = companies
        self._folder = receipts
        self._journals = {**DEFAULT_JOURNALS, **(journals or {})}
        self._parties = Parties(rpc, employee_prefix)
        self._settlement = Settlement(rpc)
        self._drafters: dict[str, Drafter] = {}

    def find(self, key: str) -> Booked | None:
        """Return the posted voucher of a key, or None."""
        return self.find_all([key]).get(key)

    def find_all(self, keys: Sequence[str]) -> dict[str, Booked]:
        """Return the posted vouchers by key."""
        return {key: self._booked(record) for key, record in self._records(keys).items() if record.is_posted}

    def book(self, voucher: Voucher) -> Answer:
        """Book one voucher."""
        return next(answer for _, answer in self.book_all([voucher]))

    def book_all(self, vouchers: Sequence[Voucher]) -> Iterator[tuple[Voucher, Answer]]:
        """Book vouchers in batches. A batch that Tryton refuses is taken back and booked one by one."""
        for batch in batches(vouchers):
            answers = self._book_batch(self._drafter(batch[0].company), batch)
            yield from ((voucher, answers[voucher.id]) for voucher in batch)

    def _drafter(self, company: str) -> Drafter:
        if company not in self._drafters:
            if company not in self._names:
                raise LedgerUnavailable(f"Company {company} has no name in Tryton: add it to companies")
            found = read_company(self._rpc, self._names[company])
            self._drafters[company] = Drafter(found, self._parties, self._journals)
            self._settlement.settle(found.id, None)
        return self._drafters[company]

    def _book_batch(self, drafter: Drafter, batch: Sequence[Voucher]) -> dict[str, Answer]:
        known = self._records([key for voucher in batch for key in (voucher.id, voucher.reverses) if key])
        self._parties.prepare(batch)
        answers: dict[str, Answer] = {}
        drafts = []
        for voucher in batch:
            record, reversed_ = known.get(voucher.id), known.get(voucher.reverses)
            if record and record.is_posted:
                answers[voucher.id] = self._booked(record)
                continue
            drafted = drafter.draft(voucher, reversed_.move if reversed_ and reversed_.is_posted else None)
            if not isinstance(drafted, Refused):
                drafts.append(Draft(voucher, *drafted, record))
                continue
            answers[voucher.id] = drafted
            self._delete([record] if record else [])
        answers |= self._post_all(drafter.company.id, drafts)
        self._settle(drafter, [draft.voucher for draft in drafts if isinstance(answers[draft.voucher.id], Booked)])
        return answers

    def _post_all(self, company: int, drafts: Sequence[Draft]) -> dict[str, Answer]:
        if not drafts:
            return {}
        try:
            return dict(self._post(company, drafts))
        except TrytonRefusal as refusal:
            if len(drafts) == 1:
                return {drafts[0].voucher.id: _refused(refusal, drafts[0].voucher)}
        answers: dict[str, Answer] = {}
        for draft in drafts:
            answers |= self._post_all(company, [draft])
        return answers

    def _post(self, company: int, drafts: Sequence[Draft]) -> Iterator[tuple[str, Answer]]:
        """Create, attach receipts and post; a refusal leaves nothing.

        Raises:
            TrytonRefusal: Tryton refused one of them.
        """
        try:
            resumed = {draft.record.reference for draft in drafts if draft.record}
            for model in (INVOICE, MOVE):
                self._create(company, model, [draft for draft in drafts if draft.model == model and not draft.record])
            self._attach(drafts, resumed)
            records = [(draft, draft.record) for draft in drafts if draft.record]
            for model in (INVOICE, MOVE):
                self._post_records(company, model, [pair for pair in records if pair[1].model == model])
        except TrytonRefusal:
            self._delete([draft.record for draft in drafts if draft.record])
            for draft in drafts:
                draft.record = None
            raise
        for draft, record in records:
            yield draft.voucher.id, self._booked(record)

    def _create(self, company: int, model: str, drafts: Sequence[Draft]) -> None:
        if drafts:
            ids = self._rpc.call(f"model.{model}.create", [draft.values for draft in drafts], company=company)
            for draft, id_ in zip(drafts, ids, strict=True):
                draft.record = Record(model, id_)

    def _post_records(self, company: int, model: str, records: Sequence[tuple[Draft, Record]]) -> None:
        ids = [record.id for _, record in records]
        if not ids:
            return
        if model == INVOICE:
            self._compare_totals(company, records)
        try:
            self._rpc.call(f"model.{model}.post", ids, company=company)
        except TrytonRefusal as warning:
            if not (
                len(records) == 1 and warning.name.endswith(_SIMILAR) and self._is_correction(company, *records[0])
            ):
                raise
            self._rpc.call("model.res.user.warning.skip", warning.name)
            self._rpc.call(f"model.{model}.post", ids, company=company)
        rows = self._rpc.call(f"model.{model}.read", ids, ["number"], company=company)
        numbers = {row["id"]: row["number"] for row in rows}
        for _, record in records:
            record.number, record.is_posted = numbers[record.id], True

    def _compare_totals(self, company: int, records: Sequence[tuple[Draft, Record]]) -> None:
        ids = [record.id for _, record in records]
        rows = self._rpc.call(f"model.{INVOICE}.read", ids, ["total_amount"], company=company)
        totals = {row["id"]: row["total_amount"] for row in rows}
        for draft, record in records:
            owed = -sum(leg.amount for leg in draft.voucher.legs if leg.role == "accountsPayable")
            if totals[record.id] != owed:
                raise TrytonRefusal(f"The invoice's total in Tryton is {totals[record.id]}, not {owed}")

    def _is_correction(self, company: int, draft: Draft, record: Record) -> bool:
        """Return whether an invoice is like others only because it is the next version of the same entry."""
        values = draft.values
        conditions = [("id", "!=", record.id), ("company", "=", company), ("type", "=", "in")]
        same = [("party", "=", values["party"]), ("reference", "=", values["reference"])]
        rows = self._rpc.search(INVOICE, conditions + same, ["description"], company)
        return all((row["description"] or "").startswith(f"{PREFIX}{draft.voucher.entry}/") for row in rows)

    def _attach(self, drafts: Sequence[Draft], resumed: set[str]) -> None:
        """Attach the receipts, except those that a killed run has attached to its drafts."""
        rows = (
            self._rpc.search("ir.attachment", [("resource", "in", list(resumed))], ["resource", "name"])
            if resumed
            else []
        )
        there = {(row["resource"], row["name"]) for row in rows}
        values: list[Values] = []
        size = 0
        for draft in drafts:
            if not draft.record or draft.voucher.kind == "reversal":
                continue
            for path in draft.voucher.files:
                if self._folder is None or (draft.record.reference, Path(path).name) in there:
                    continue
                data = _content(self._folder, path)
                if values and size + len(data) > _UPLOAD_BYTES:
                    self._rpc.call("model.ir.attachment.create", values)
                    values, size = [], 0
                values.append({"name": Path(path).name, "resource": draft.record.reference, "data": data})
                size += len(data)
        if values:
            self._rpc.call("model.ir.attachment.create", values)

    def _delete(self, records: Sequence[Record]) -> None:
        for model in (INVOICE, MOVE):
            ids = [record.id for record in records if record.model == model]
            if ids:
                self._rpc.call(f"model.{model}.delete", ids)

    def _settle(self, drafter: Drafter, booked: Sequence[Voucher]) -> None:
        settling = [voucher for voucher in booked if voucher.document.startswith("payment") or voucher.reverses]
        vendors = [voucher.vendor for voucher in settling if voucher.vendor]
        records = [self._parties.get(vendor, is_employee=False) for vendor in vendors]
        ids = {record.id for record in records if not isinstance(record, str)}
        if ids:
            self._settlement.settle(drafter.company.id, ids)

    def _records(self, keys: Sequence[str]) -> dict[str, Record]:
        """Return the invoices and moves by key, posted or not."""
        found: dict[str, Record] = {}
        descriptions = [PREFIX + key for key in keys]
        for start in range(0, len(keys), BATCH):
            for model in (MOVE, INVOICE):
                conditions = [("description", "in", descriptions[start : start + BATCH])]
                fields = ["description", "number", "state", *(["move"] if model == INVOICE else [])]
                for row in self._rpc.search(model, conditions, fields):
                    record = Record(model, row["id"], row["number"] or "", row["state"] not in {"draft", "validated"})
                    record.move = row.get("move", row["id"])
                    found[row["description"].removeprefix(PREFIX)] = record
        return found

    def _booked(self, record: Record) -> Booked:
        return Booked(record.number, f"{self._rpc.url}/#{self._rpc.database}/model/{record.model}/{record.id}")


def batches(vouchers: Sequence[Voucher]) -> Iterator[list[Voucher]]:
    """Yield vouchers in order, split so that each batch has one company, and what depends on another comes later.

    A reversal needs its booking, and Tryton compares the numbers of a vendor's invoices.
    """
    batch: list[Voucher] = []
    for voucher in vouchers:
        is_dependent = any(other.id == voucher.reverses or _numbers(other) & _numbers(voucher) for other in batch)
        if batch and (len(batch) == BATCH or is_dependent or batch[0].company != voucher.company):
            yield batch
            batch = []
        batch.append(voucher)
    if batch:
        yield batch


def _numbers(voucher: Voucher) -> set[tuple[str, Party]]:
    is_invoice = voucher.document in {"bill", "credit_note"} and voucher.number
    return {(voucher.number, voucher.vendor)} if is_invoice else set()


def _content(folder: Path, path: str) -> bytes:
    file = (folder / path).resolve()
    with suppress(OSError):
        if file.is_relative_to(folder.resolve()):
            return file.read_bytes()
    text = f"The stored receipt {path} cannot be read: export the entry again, or check the folder of receipts"
    raise TrytonRefusal(text, "receipt_upload_failure")


def _refused(refusal: TrytonRefusal, voucher: Voucher) -> Refused:
    if refusal.kind == "receipt_upload_failure":
        return Refused(str(refusal), refusal.kind)
    if refusal.name.endswith(_SIMILAR):
        text = f"Tryton already has an invoice {char(voucher.number)} of this vendor"
        return Refused(f"{text}: {refusal} Correct the number in Pleo if it is another invoice")
    return Refused(str(refusal), "accounting_system_validation_failure" if refusal.kind else "unexpected_failure")
