"""Tryton 8.0 as an accounting system, over its HTTP interface.

Bills and credit notes become supplier invoices, everything else moves. The key, `pleo:<voucher id>`, is the description
of the invoice or move.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tap_pleo_export.ledger.adapter import Booked, Ledger, Refused
from tap_pleo_export.ledger.tryton_company import read_company
from tap_pleo_export.ledger.tryton_drafts import DEFAULT_JOURNALS, INVOICE, MOVE, Drafter, Values
from tap_pleo_export.ledger.tryton_parties import Parties
from tap_pleo_export.ledger.tryton_rpc import PASSWORD_VARIABLE, TrytonRefusal, TrytonRpc, char
from tap_pleo_export.ledger.tryton_settlement import PREFIX, Settlement
from tap_pleo_export.singer.redaction import SECRETS

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
    state: str = "draft"
    """As in Tryton, but posted also for invoices that are paid, or cancelled by a reversal."""
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

    def __init__(  # noqa: PLR0913 - the options of the configuration
        self,
        company: str | int,
        receipts: Path | None = None,
        *,
        url: str,
        database: str,
        user: str,
        timeout: float = 120,
        journals: Mapping[str, str] | None = None,
        employee_prefix: str = "EMP-",
        **options: object,
    ) -> None:
        """Log in, and read the company's accounts, periods and journals.

        Args:
            company: Its name or id in Tryton.
            receipts: Folder in which `map-pleo-attachments` stores; None to attach no receipts.
            url: Of the server, without the database.
            database: Its name.
            user: Login of a user with the groups "Accounting" and "Party Administration".
            timeout: Seconds until the whole answer to a request must have arrived.
            journals: Code of the journal by document, for vouchers without one; `*` for all others.
            employee_prefix: Prefix of the code of an employee's party.
            options: None; others are refused.

        Raises:
            LedgerUnavailable: Tryton does not answer, or does not know the user or the company.
            ValueError: An option or the password is missing or wrong.
        """
        super().__init__(company, receipts, **options)
        password = os.environ.get(PASSWORD_VARIABLE)
        if not password:
            raise ValueError(f"{PASSWORD_VARIABLE} is not set: set it to the password of {user}")
        SECRETS.learn([password])
        self.rpc = TrytonRpc(url, database, user, password, timeout)
        self._parties = Parties(self.rpc, employee_prefix)
        self._settlement = Settlement(self.rpc)
        found = read_company(self.rpc, company)
        self._company = found.id
        self._drafter = Drafter(found, self._parties, {**DEFAULT_JOURNALS, **(journals or {})})
        self._is_first = True

    def find(self, key: str) -> Booked | None:
        """Return the posted voucher of a key, or None."""
        return self.find_all([key]).get(key)

    def find_all(self, keys: Sequence[str]) -> dict[str, Booked]:
        """Return the posted vouchers by key."""
        return {key: self._booked(record) for key, record in self._records(keys).items() if record.state == "posted"}

    def book(self, voucher: Voucher) -> Answer:
        """Book one voucher."""
        return next(answer for _, answer in self.book_all([voucher]))

    def book_all(self, vouchers: Sequence[Voucher]) -> Iterator[tuple[Voucher, Answer]]:
        """Book vouchers in batches. A batch that Tryton refuses is taken back and booked one by one."""
        if self._is_first:
            # A killed run may have posted vouchers without clearing them.
            self._settlement.settle(self._company, None)
            self._is_first = False
        for batch in batches(vouchers):
            answers = self._book_batch(batch)
            yield from ((voucher, answers[voucher.id]) for voucher in batch)

    def close(self) -> None:
        """Close the connection."""
        self.rpc.close()

    def _book_batch(self, batch: Sequence[Voucher]) -> dict[str, Answer]:
        known = self._records([key for voucher in batch for key in (voucher.id, voucher.reverses) if key])
        self._parties.prepare(batch)
        answers: dict[str, Answer] = {}
        drafts = []
        for voucher in batch:
            record, reversed_ = known.get(voucher.id), known.get(voucher.reverses)
            if record and record.state == "posted":
                answers[voucher.id] = self._booked(record)
                continue
            drafted = self._drafter.draft(
                voucher, reversed_.move if reversed_ and reversed_.state == "posted" else None
            )
            if not isinstance(drafted, Refused):
                drafts.append(Draft(voucher, *drafted, record))
                continue
            answers[voucher.id] = drafted
            self._delete([record] if record else [])
        answers |= self._post_all(drafts)
        self._settle([draft.voucher for draft in drafts if isinstance(answers[draft.voucher.id], Booked)])
        return answers

    def _post_all(self, drafts: Sequence[Draft]) -> dict[str, Answer]:
        if not drafts:
            return {}
        try:
            return dict(self._post(drafts))
        except TrytonRefusal as refusal:
            if len(drafts) == 1:
                return {drafts[0].voucher.id: _refused(refusal, drafts[0].voucher)}
        answers: dict[str, Answer] = {}
        for draft in drafts:
            answers |= self._post_all([draft])
        return answers

    def _post(self, drafts: Sequence[Draft]) -> Iterator[tuple[str, Answer]]:
        """Create, attach receipts and post; a refusal leaves nothing.

        Raises:
            TrytonRefusal: Tryton refused one of them.
        """
        try:
            resumed = {draft.record.reference for draft in drafts if draft.record}
            for model in (INVOICE, MOVE):
                self._create(model, [draft for draft in drafts if draft.model == model and not draft.record])
            self._attach(drafts, resumed)
            records = [(draft, draft.record) for draft in drafts if draft.record]
            for model in (INVOICE, MOVE):
                if found := [pair for pair in records if pair[1].model == model]:
                    self._post_records(model, found)
        except TrytonRefusal:
            # One by one, the others continue where the batch ended.
            undone = [draft for draft in drafts if draft.record and (len(drafts) == 1 or draft.record.state == "draft")]
            self._delete([draft.record for draft in undone if draft.record])
            for draft in undone:
                draft.record = None
            raise
        for draft, record in records:
            yield draft.voucher.id, self._booked(record)

    def _create(self, model: str, drafts: Sequence[Draft]) -> None:
        if drafts:
            ids = self.rpc.call(f"model.{model}.create", [draft.values for draft in drafts], company=self._company)
            for draft, id_ in zip(drafts, ids, strict=True):
                draft.record = Record(model, id_)

    def _post_records(self, model: str, records: Sequence[tuple[Draft, Record]]) -> None:
        if model == INVOICE:
            self._compare_totals(records)
        ids = [record.id for _, record in records]
        unposted = [record.id for _, record in records if record.state != "posted"]
        try:
            self.rpc.call(f"model.{model}.post", unposted, company=self._company)
        except TrytonRefusal as warning:
            if not (len(records) == 1 and warning.name.endswith(_SIMILAR) and self._is_correction(*records[0])):
                raise
            self.rpc.call("model.res.user.warning.skip", warning.name)
            self.rpc.call(f"model.{model}.post", unposted, company=self._company)
        rows = self.rpc.call(f"model.{model}.read", ids, ["number"], company=self._company)
        numbers = {row["id"]: row["number"] for row in rows}
        for _, record in records:
            record.number, record.state = numbers[record.id], "posted"

    def _compare_totals(self, records: Sequence[tuple[Draft, Record]]) -> None:
        ids = [record.id for _, record in records]
        rows = self.rpc.call(f"model.{INVOICE}.read", ids, ["total_amount"], company=self._company)
        totals = {row["id"]: row["total_amount"] for row in rows}
        for draft, record in records:
            owed = -sum(leg.amount for leg in draft.voucher.legs if leg.role == "accountsPayable")
            if totals[record.id] != owed:
                raise TrytonRefusal(f"The invoice's total in Tryton is {totals[record.id]}, not {owed}")

    def _is_correction(self, draft: Draft, record: Record) -> bool:
        """Return whether an invoice is like others only because it is the next version of the same entry."""
        values = draft.values
        conditions = [("id", "!=", record.id), ("company", "=", self._company), ("type", "=", "in")]
        same = [(name, "=", values.get(name)) for name in ("party", "reference")]
        rows = self.rpc.search(INVOICE, conditions + same, ["description"], self._company)
        return all((row["description"] or "").startswith(f"{PREFIX}{draft.voucher.entry}/") for row in rows)

    def _attach(self, drafts: Sequence[Draft], resumed: set[str]) -> None:
        """Attach the receipts, except those that a killed run has attached to its drafts."""
        conditions = [("resource", "in", list(resumed))]
        rows = self.rpc.search("ir.attachment", conditions, ["resource", "name"]) if resumed else []
        there = {(row["resource"], row["name"]) for row in rows}
        values: list[Values] = []
        size = 0
        for draft in drafts:
            if not draft.record or draft.voucher.kind == "reversal":
                continue
            for path in draft.voucher.files:
                if self.receipts is None or (draft.record.reference, Path(path).name) in there:
                    continue
                data = _content(self.receipts, path)
                if values and size + len(data) > _UPLOAD_BYTES:
                    self.rpc.call("model.ir.attachment.create", values)
                    values, size = [], 0
                values.append({"name": Path(path).name, "resource": draft.record.reference, "data": data})
                size += len(data)
        if values:
            self.rpc.call("model.ir.attachment.create", values)

    def _delete(self, records: Sequence[Record]) -> None:
        for model in (INVOICE, MOVE):
            ids = [record.id for record in records if record.model == model]
            if ids:
                self.rpc.call(f"model.{model}.delete", ids, company=self._company)

    def _settle(self, booked: Sequence[Voucher]) -> None:
        """Clear what fits among the open items of the vendors concerned: a payment may come before its bill."""
        owed = [voucher for voucher in booked if any(leg.role == "accountsPayable" for leg in voucher.legs)]
        records = [self._parties.get(voucher.vendor, is_employee=False) for voucher in owed if voucher.vendor]
        if ids := {record.id for record in records if not isinstance(record, str)}:
            self._settlement.settle(self._company, ids)

    def _records(self, keys: Sequence[str]) -> dict[str, Record]:
        """Return the invoices and moves by key, posted or not."""
        found: dict[str, Record] = {}
        descriptions = [PREFIX + key for key in keys]
        for start in range(0, len(keys), BATCH):
            for model in (MOVE, INVOICE):
                conditions = [("description", "in", descriptions[start : start + BATCH])]
                fields = ["description", "number", "state", *(["move"] if model == INVOICE else [])]
                for row in self.rpc.search(model, conditions, fields, self._company):
                    record = Record(model, row["id"], row["number"] or "", move=row.get("move", row["id"]))
                    # An invoice that a user cancelled while it was a draft has no move.
                    is_done = row["state"] not in {"draft", "validated"} and record.move is not None
                    record.state = "posted" if is_done else row["state"]
                    found[row["description"].removeprefix(PREFIX)] = record
        return found

    def _booked(self, record: Record) -> Booked:
        return Booked(record.number, f"{self.rpc.url}/#{self.rpc.database}/model/{record.model}/{record.id}")


def batches(vouchers: Sequence[Voucher]) -> Iterator[list[Voucher]]:
    """Yield vouchers in order, split so that what depends on another comes in a later batch.

    A reversal needs its booking, and Tryton compares the numbers of a vendor's invoices.
    """
    batch: list[Voucher] = []
    for voucher in vouchers:
        is_dependent = any(other.id == voucher.reverses or _numbers(other) & _numbers(voucher) for other in batch)
        if batch and (len(batch) == BATCH or is_dependent):
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
