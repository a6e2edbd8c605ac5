"""What is known of one export job and its items while updates come in. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from tap_pleo_export.api.entry_keys import key_of
from tap_pleo_export.api.jobs import ENDED_STATUSES
from tap_pleo_export.target.updates import COMPLETED, COMPLETED_WITH_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_pleo_export.target.updates import ItemUpdate

SUCCESSFUL = "successful"
ABANDONED = "abandoned"
FINAL_STATUSES = frozenset({SUCCESSFUL, "failed", ABANDONED})


class Known(NamedTuple):
    """What Pleo has of an item."""

    status: str | None
    external_id: str | None = None

    def __str__(self) -> str:
        """Return what a message says of it."""
        return f"'{self.status}'" + (f" with externalId '{self.external_id}'" if self.external_id else "")


class Stance(Enum):
    """How an update stands to what Pleo has."""

    OPEN = "the item is not final: the update is to be sent"
    SAME = "Pleo has it already"
    OTHER = "Pleo has another outcome: the update contradicts it"


@dataclass(slots=True)
class ReportedJob:
    """An export job, and the outcomes of its items as far as they are known.

    Attributes:
        id: Its id, in lower case.
        status: Its status; None if Pleo does not know the job.
        number_of_items: How many items Pleo says that it has; None if it does not say.
        failure: Its ``failureReasonType``, if Pleo gives one.
        started: Whether it was ever started.
        closed: Whether nothing more is to be written to it.
        items: What Pleo has of each item, by the entry's key.
        supposed: What a dry run takes for granted of items that are open in truth.
    """

    id: str
    status: str | None
    number_of_items: int | None = None
    failure: str | None = None
    started: bool = False
    closed: bool = False
    items: dict[bytes, Known] = field(default_factory=dict)
    supposed: dict[bytes, Known] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether Pleo takes no more updates."""
        return self.status is None or self.status in ENDED_STATUSES

    @property
    def writable(self) -> bool:
        """Whether something may be written to it."""
        return not (self.ended or self.closed)

    def learn(self, items: Iterable[tuple[str, Known]]) -> None:
        """Take the control layer as it was read."""
        # Most items have no externalId: they share one value for each status.
        shared: dict[Known, Known] = {}
        for entry_id, known in items:
            key = key_of(entry_id)
            if key in self.supposed and known.status not in FINAL_STATUSES:
                continue
            self.items[key] = shared.setdefault(known, known) if known.external_id is None else known

    def stance(self, update: ItemUpdate) -> Stance:
        """Return how an update stands to what is known."""
        known = self.items.get(update.key)
        if known is None or known.status not in FINAL_STATUSES:
            return Stance.OPEN
        if self.ended and known.status == ABANDONED:
            # Because the job ended: nobody has recorded another outcome.
            return Stance.OPEN
        if known.status != update.status:
            return Stance.OTHER
        if known.external_id and update.external_id and known.external_id != update.external_id:
            return Stance.OTHER
        return Stance.SAME

    def accept(self, update: ItemUpdate, external_id: str | None = None) -> None:
        """Note that Pleo has the update, and which ``externalId``, if it says so."""
        self.items[update.key] = Known(update.status, external_id or update.external_id)

    def suppose(self, update: ItemUpdate) -> None:
        """Take it for granted from now on that Pleo has the update."""
        self.accept(update)
        self.supposed[update.key] = self.items[update.key]

    def open_items(self) -> int:
        """Return how many items are not final."""
        statuses = self._statuses()
        return statuses.total() - sum(statuses[status] for status in FINAL_STATUSES)

    def completion(self) -> str | None:
        """Return the event that its items call for; None while some are open, not all listed, or there are none."""
        if not self.items or self.unlisted or self.open_items():
            return None
        return COMPLETED if self._statuses().keys() == {SUCCESSFUL} else COMPLETED_WITH_ERRORS

    @property
    def unlisted(self) -> int:
        """How many items the control layer lacks of those that the job says it has."""
        return max(0, (self.number_of_items or 0) - len(self.items))

    def _statuses(self) -> Counter[str | None]:
        return Counter(known.status for known in self.items.values())

    def __str__(self) -> str:
        """Return what a message says of it."""
        if self.status is None:
            return f"Export job {self.id}: Pleo does not know it"
        return f"Export job {self.id} is '{self.status}'" + (f" ({self.failure})" if self.failure else "")
