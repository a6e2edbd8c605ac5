"""An accounting system as `pleo-export-book` sees it: copy the methods of `Ledger` for one of your own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    """An accounting system. One process at a time books a company; a voucher's id is its key."""

    @abstractmethod
    def find(self, key: str) -> Booked | None:
        """Return the posted voucher of a key, or None. A draft that a killed run left is not posted.

        Raises:
            LedgerUnavailable: It cannot be asked.
        """

    @abstractmethod
    def book(self, voucher: Voucher) -> Booked | Refused:
        """Create the voucher under its key, or take the draft of that key; attach its receipts; post it.

        A refused voucher leaves nothing behind.

        Raises:
            LedgerUnavailable: Whether it is booked is unknown; `find` will tell.
        """

    def find_all(self, keys: Sequence[str]) -> dict[str, Booked]:
        """Return the posted vouchers by key. Override it where one request can ask for many."""
        return {key: found for key in keys if (found := self.find(key))}

    def book_all(self, vouchers: Sequence[Voucher]) -> Iterator[tuple[Voucher, Booked | Refused]]:
        """Book vouchers in order, and yield each with its answer. Override it where one request can book many."""
        for voucher in vouchers:
            yield voucher, self.book(voucher)
