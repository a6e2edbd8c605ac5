"""The state of one run: services, counts, the lines that explain each refusal, and the states to pass on."""

from __future__ import annotations

import contextlib
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_pleo_export.api.errors import OutcomeUnknown
from tap_pleo_export.target.jobs import ItemOutcome

if TYPE_CHECKING:
    import tenacity

    from tap_pleo_export.api.retry import RetryPolicy
    from tap_pleo_export.target.api import ReportingApi
    from tap_pleo_export.target.jobs import ItemUpdate, JobEvent, ReportedJob

HOW_TO_RETRY = "The state still advances: fix the cause, then run with --full-refresh"
"""A refusal is final for this run; the next run sends nothing again that Pleo accepted."""
MAX_NAMED_ITEMS = 10
# States may be large, and only the newest must be passed on: beyond this number, some are dropped.
MAX_WAITING_STATES = 8


class Acknowledgement:
    """States in input order, and the records that they cover; positions are line numbers of the input.

    A state is due once every record before it is settled, unless an earlier record waits for the end of the input.
    """

    def __init__(self) -> None:
        self._open: dict[int, None] = {}
        self._waiting: list[tuple[int, bytes]] = []
        self._deferred: tuple[int, bytes] | None = None
        self._deferring = False

    def begin(self, line: int) -> None:
        """Note a record that must be settled."""
        self._open[line] = None

    def settle(self, line: int) -> None:
        """Note that a record is settled: nothing more will be done about it."""
        self._open.pop(line, None)

    def is_open(self, line: int) -> bool:
        """Return whether a record is not settled yet."""
        return line in self._open

    @property
    def unsettled(self) -> int:
        """Number of records that are not settled."""
        return len(self._open)

    def defer(self) -> None:
        """Keep back all later states until :meth:`release`."""
        self._deferring = True

    def release(self) -> None:
        """Release the states kept back: the input has ended, and the records that waited for it are settled."""
        self._deferring = False
        if self._deferred is not None:
            self._waiting.append(self._deferred)
            self._deferred = None

    def add(self, state: bytes, line: int) -> None:
        """Add a state, as JSON."""
        if self._deferring:
            self._deferred = line, state
            return
        self._waiting.append((line, state))
        if len(self._waiting) > MAX_WAITING_STATES:
            del self._waiting[1:-1:2]

    def due(self) -> bytes | None:
        """Return the newest state that covers only settled records, once."""
        first_open = next(iter(self._open), math.inf)
        due = None
        while self._waiting and self._waiting[0][0] < first_open:
            due = self._waiting.pop(0)[1]
        return due


@dataclass(slots=True)
class Outcomes:
    """Settles updates and events: counts each, logs one ERROR line per refusal, and acknowledges it.

    ``already`` counts updates reported before this run, ``events`` the events accepted by name.
    """

    logger: logging.Logger
    acknowledgement: Acknowledgement
    accepted: int = 0
    already: int = 0
    refused: int = 0
    events: Counter[str] = field(default_factory=Counter)

    def mark_accepted(self, update: ItemUpdate, *, already: bool = False) -> None:
        """Settle an update accepted by Pleo, in this run or ``already`` before."""
        self.accepted += not already
        self.already += already
        self.acknowledgement.settle(update.line)

    def reopen(self, update: ItemUpdate) -> None:
        """Take back that an update is accepted."""
        self.accepted -= 1
        self.acknowledgement.begin(update.line)

    def refuse(self, update: ItemUpdate, why: str) -> None:
        """Settle an update that is refused for good."""
        self._refuse([update.line], "%s: %s; not reported as '%s'. %s", update, why, update.status, HOW_TO_RETRY)

    def report_conflict(self, job: ReportedJob, update: ItemUpdate) -> None:
        """Settle an update whose item has another outcome in Pleo."""
        self._refuse(
            [update.line],
            "%s: Pleo has %s, the update says %s. Check the accounting system for a second entry and "
            "remove the wrong one; Pleo keeps its outcome",
            update,
            job.items[update.key],
            ItemOutcome(update.status, update.external_id),
        )

    def refuse_all(self, job: ReportedJob, updates: Sequence[ItemUpdate]) -> None:
        """Settle the updates of a job that can no longer be written to, in one line."""
        if not updates:
            return
        named = ", ".join(update.entry_id for update in updates[:MAX_NAMED_ITEMS])
        more = f" and {len(updates) - MAX_NAMED_ITEMS} more" if len(updates) > MAX_NAMED_ITEMS else ""
        remedy = (
            "Export the entries again in Pleo (this creates a new job)"
            if job.ended
            else "Nothing more is written to this job in this run; run again"
        )
        lines = [update.line for update in updates]
        self._refuse(lines, "%s: refused %d update(s), items %s%s. %s", job, len(lines), named, more, remedy)

    def refuse_event(self, event: JobEvent, why: str) -> None:
        """Settle an event that is refused for good."""
        self._refuse([event.line], "%s not posted: %s", event, why)

    def refuse_record(self, line: int, name: str, problems: str) -> None:
        """Count an invalid record."""
        self._refuse([line], "Line %d: %s: %s; not sent. %s", line, name, problems, HOW_TO_RETRY)

    def counts(self) -> dict[str, object]:
        """Return the counts of the run summary; ``unsent`` are records received but not settled."""
        return {
            "accepted": self.accepted,
            "already": self.already,
            "refused": self.refused,
            "unsent": self.acknowledgement.unsettled,
            "events": dict(self.events),
        }

    def summary(self, *, dry_run: bool) -> str:
        """Return the run's last line."""
        events = ", ".join(f"{count} {event}" for event, count in sorted(self.events.items())) or "none"
        return (
            f"{'Dry run, nothing was sent: ' if dry_run else ''}{self.accepted} accepted, "
            f"{self.already} already reported, {self.refused} refused, {self.acknowledgement.unsettled} unsent; "
            f"events: {events}"
        )

    def _refuse(self, lines: Sequence[int], message: str, *arguments: object) -> None:
        self.logger.error(message, *arguments)
        self.refused += len(lines)
        for line in lines:
            self.acknowledgement.settle(line)


@dataclass(frozen=True, slots=True)
class ReportingRun:
    """Services and settings of one run.

    Attributes:
        policy: How often, and after which waits, a request with an unknown outcome is repeated.
        shielded: A block that a signal interrupts only after ten seconds.
        pass_states: Passes on the states that are due.
    """

    api: ReportingApi
    outcomes: Outcomes
    policy: RetryPolicy
    sleep: Callable[[float], None]
    shielded: Callable[[], contextlib.AbstractContextManager[None]]
    pass_states: Callable[[], None]
    start_jobs: bool = False
    dry_run: bool = False

    def attempts(self, job: ReportedJob) -> Iterator[tenacity.AttemptManager]:
        """Yield attempts at a write until its outcome is known; before each further one, read the job again.

        Raises:
            OutcomeUnknown: It is still unknown after the last attempt.
            PleoError: The job cannot be read.
        """

        def announce(failure: BaseException, _: float) -> None:
            if isinstance(failure, OutcomeUnknown):
                self.outcomes.logger.warning("%s; checking Pleo's state before sending again", failure.what)

        for attempt in self.policy.attempts(
            lambda error: isinstance(error, OutcomeUnknown), before_wait=announce, sleep=self.sleep
        ):
            if attempt.retry_state.attempt_number > 1:
                self.api.read_again(job)
            yield attempt
