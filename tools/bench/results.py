"""What a scenario comes to: a table, and the promises that it was to show."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Promise:
    """A number that the project promises to stay below.

    Attributes:
        what: What is measured.
        limit: The largest value that keeps the promise.
        values: What came out, one per round.
        unit: Of all of them; empty for a ratio.
    """

    what: str
    limit: float
    values: Sequence[float]
    unit: str = ""

    @property
    def verdict(self) -> str:
        """Whether the median keeps the promise, compared unrounded, and whether all rounds agree with it."""
        kept = median(self.values) <= self.limit
        agreed = all((value <= self.limit) == kept for value in self.values)
        return f"{'kept' if kept else 'missed'}{'' if agreed else ', not in every round'}"

    @property
    def measured(self) -> str:
        """The median, and the rounds' range if there were several."""
        shown = self.shown(median(self.values))
        if len(self.values) == 1:
            return f"{shown} (one round)"
        return f"{shown} ({self.shown(min(self.values))} to {self.shown(max(self.values))})"

    def shown(self, value: float) -> str:
        """Return a value with its unit."""
        return f"{value:.1f} {self.unit}" if self.unit else f"{value:.3f}"


@dataclass(slots=True)
class Result:
    """A scenario's outcome.

    Attributes:
        title: Heading.
        about: How it was measured, in sentences.
        columns: Heads of the table; the first column is text, the others are numbers.
        rows: Its rows.
        promises: What it was to show.
        notes: Lines below the table, such as what was skipped.
    """

    title: str
    about: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
