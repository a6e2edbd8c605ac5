"""What a soak has done, and what it came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields

MUST_BE_ZERO = ("missing", "wrong", "repeated", "leaks", "tracebacks", "late", "tokens_lost", "unneeded")


@dataclass
class Figures:
    """Counts.

    Attributes:
        kills: SIGKILLs that met a process.
        signals: SIGTERMs and SIGINTs that did.
        in_refresh: Of both, those that met the tap while it refreshed its token.
        runs: Runs of the pipeline.
        worlds: Worlds played to their end.
        several: Runs that left more than one job incomplete.
        items: Items that had to arrive.
        updates: Items that had to be marked as failed in Pleo.
        requests: Requests to the API.
        refreshes: Tokens granted.
        authorisations: Begun anew, after a token that was lost by a fault that no client can heal.
        extra: Requests beyond need.
        allowed: What kills and faults may have cost, the bound of ``extra``.
        missing: Items that did not arrive or were not marked, and jobs that were not complete at the end.
        wrong: Items that arrived otherwise than Pleo has them, or that it does not have.
        repeated: Rows that stand in the database more than once, and items that were marked more than once.
        leaks: Logs and outputs with a secret.
        tracebacks: Logs of tap or mapper with a traceback.
        late: Runs that a signal did not end within 10 s.
        tokens_lost: Authorisations lost without a fault that explains it.
        unneeded: Requests beyond the bound of their run.
        faults: Faults that took effect, by kind.
    """

    kills: int = 0
    signals: int = 0
    in_refresh: int = 0
    runs: int = 0
    worlds: int = 0
    several: int = 0
    items: int = 0
    updates: int = 0
    requests: int = 0
    refreshes: int = 0
    authorisations: int = 0
    extra: int = 0
    allowed: int = 0
    missing: int = 0
    wrong: int = 0
    repeated: int = 0
    leaks: int = 0
    tracebacks: int = 0
    late: int = 0
    tokens_lost: int = 0
    unneeded: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    @property
    def good(self) -> bool:
        """Whether nothing has gone wrong."""
        return not any(getattr(self, name) for name in MUST_BE_ZERO)

    def __str__(self) -> str:
        counts = [f"{each.name} {getattr(self, each.name)}" for each in fields(self) if each.name != "faults"]
        faults = [f"{name} {count}" for name, count in sorted(self.faults.items())]
        return f"{', '.join(counts)}\nfaults {self.faults.total()}: {', '.join(faults)}"
