"""Counts of a soak."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields

MUST_BE_ZERO = ("missing", "wrong", "repeated", "leaks", "tracebacks", "late", "tokens_lost")


@dataclass
class Figures:
    """Counts.

    Attributes:
        kills: SIGKILLs that reached a process.
        signals: SIGTERMs and SIGINTs that reached a process.
        in_refresh: Kills and signals that reached the tap during a token refresh.
        runs: Runs of the pipeline.
        worlds: Worlds played to their end.
        items: Items that had to arrive.
        updates: Items that had to be marked as failed in Pleo.
        requests: Requests to the API.
        authorisations: Authorisations renewed after a fault lost a token that no client could have saved.
        missing: Items that did not arrive or were not marked, and jobs that were incomplete at the end.
        wrong: Items that arrived with other values than Pleo's, or that Pleo does not have.
        repeated: Duplicate rows in the database, and items marked more than once.
        leaks: Logs and outputs with a secret.
        tracebacks: Logs of tap or mapper with a traceback.
        late: Runs that a signal did not end within 10 s.
        tokens_lost: Authorisations lost without a fault that explains it.
        faults: Faults that took effect, by name.
    """

    kills: int = 0
    signals: int = 0
    in_refresh: int = 0
    runs: int = 0
    worlds: int = 0
    items: int = 0
    updates: int = 0
    requests: int = 0
    authorisations: int = 0
    missing: int = 0
    wrong: int = 0
    repeated: int = 0
    leaks: int = 0
    tracebacks: int = 0
    late: int = 0
    tokens_lost: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    @property
    def good(self) -> bool:
        """Whether nothing has gone wrong."""
        return not any(getattr(self, name) for name in MUST_BE_ZERO)

    def __str__(self) -> str:
        counts = [f"{each.name} {getattr(self, each.name)}" for each in fields(self) if each.name != "faults"]
        faults = [f"{name} {count}" for name, count in sorted(self.faults.items())]
        return f"{', '.join(counts)}\nfaults {self.faults.total()}: {', '.join(faults)}"
