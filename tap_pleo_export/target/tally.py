"""What a run of the target came to. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Counts of updates by what became of them, and of events posted.

    Attributes:
        accepted: Updates that Pleo took in this run.
        already: Updates that Pleo had already.
        refused: Updates and events that Pleo, or the target itself, refused.
        events: Events accepted, by name.
    """

    accepted: int = 0
    already: int = 0
    refused: int = 0
    events: Counter[str] = field(default_factory=Counter)

    def summary(self, unsent: int, *, dry_run: bool) -> str:
        """Return the run's last line.

        Args:
            unsent: Updates read of which nothing became.
            dry_run: Whether nothing was sent in earnest.
        """
        events = ", ".join(f"{count} {event}" for event, count in sorted(self.events.items())) or "none"
        return (
            f"{'Dry run, nothing was sent: ' if dry_run else ''}"
            f"{self.accepted} accepted, {self.already} already reported, {self.refused} refused, {unsent} unsent; "
            f"events: {events}"
        )
