"""An accounting system as `pleo-export-book` sees it. For another one, write a class with `find` and `book`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_pleo_export.books.vouchers import Voucher


@dataclass(frozen=True)
class Booked:
    """A posted voucher: its number in the accounting system, and its address there if it has one."""

    number: str
    url: str | None = None


@dataclass(frozen=True)
class Refused:
    """A voucher that the accounting system does not take: the reason, for a bookkeeper, and Pleo's type of failure."""

    reason: str
    type: str = "accounting_system_validation_failure"


class LedgerUnavailable(Exception):
    """The accounting system does not answer as it should: the run ends, and the next one continues.

    The message is one line with the remedy.
    """


class Ledger(ABC):
    """An accounting system, opened for one company. One process at a time books a company; a voucher's id is its key.

    Attributes:
        company: The company's name or id in the accounting system.
        receipts: Folder of the stored receipts, if they are to be attached.
    """

    def __init__(self, company: str | int, receipts: Path | None = None, **options: object) -> None:
        """Open the accounting system. Subclasses name their options; secrets come from the environment.

        Raises:
            LedgerUnavailable: It cannot be reached, or does not know the company.
            ValueError: An option or a secret is missing or wrong; the message is one line with the remedy.
        """
        if options:
            raise ValueError(f"unknown options {', '.join(sorted(options))}: remove them")
        self.company = company
        self.receipts = receipts

    @abstractmethod
    def find(self, key: str) -> Booked | None:
        """Return the posted voucher of a key, or None. A draft that a killed run left is not posted.

        Raises:
            LedgerUnavailable: It cannot be asked.
        """

    @abstractmethod
    def book(self, voucher: Voucher) -> Booked | Refused:
        """Create the voucher under its key, or take the draft of that key; attach its receipts; post it.

        A voucher that is posted already is returned as it is. A refused one leaves nothing behind.

        Raises:
            LedgerUnavailable: Whether it is booked is unknown until `find` is asked.
        """

    def find_all(self, keys: Sequence[str]) -> dict[str, Booked]:
        """Return the posted vouchers by key. Override it where one request can ask for many."""
        return {key: found for key in keys if (found := self.find(key))}

    def book_all(self, vouchers: Sequence[Voucher]) -> Iterator[tuple[Voucher, Booked | Refused]]:
        """Book vouchers of different entries in order, and yield each with its answer as soon as it is known.

        Override it where one request can book many.
        """
        for voucher in vouchers:
            yield voucher, self.book(voucher)

    def files_of(self, voucher: Voucher) -> list[Path]:
        """Return the paths of a voucher's receipts on this machine; none if no folder is configured."""
        return [self.receipts / path for path in voucher.files] if self.receipts else []

    def close(self) -> None:  # noqa: B027 - few accounting systems need it
        """Close connections."""
