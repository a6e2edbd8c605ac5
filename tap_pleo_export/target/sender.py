"""Updates of one job on their way to Pleo, until each is settled: accepted, there already, or refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_pleo_export.api.entry_keys import key_of
from tap_pleo_export.api.error_mapping import has_ended
from tap_pleo_export.api.errors import AnswerTooLarge, OutcomeUnknown, RequestRefused
from tap_pleo_export.target.job import Stance
from tap_pleo_export.target.updates import STARTED, TRY_AGAIN, JobEvent
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tap_pleo_export.target.api import UpdateAnswer, UpdateError
    from tap_pleo_export.target.job import ReportedJob
    from tap_pleo_export.target.run import Run
    from tap_pleo_export.target.updates import ItemUpdate

NO_SUCH_ENTRY = "ACCOUNTING_ENTRY_DOES_NOT_EXIST"
NAMED_ITEMS = 10


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends updates."""

    run: Run

    def send(self, job: ReportedJob, updates: Sequence[ItemUpdate], *, last_time: bool = False) -> None:
        """Send updates of one job, one for each item, until each is settled.

        Args:
            job: Their job.
            updates: At most as many as one request takes.
            last_time: Whether what stays open after this request is refused.

        Raises:
            PleoError: Not all could be settled.
        """
        # Of these the outcome may be unknown for a while: what Pleo has of them then is this run's doing.
        tried: set[bytes] = set()
        if self.still_open(job, updates, tried):
            self.start(job)
        try:
            doubtful = self.run.until_known(job, self._send_open, job, updates, tried)
        except RequestRefused as refusal:
            self._refused_whole(job, updates, refusal)
            return
        if not doubtful:
            return
        self.run.jobs.read_items(job)
        left = self.still_open(job, [update for update, _ in doubtful], tried)
        if not last_time:
            self.send(job, left, last_time=True)
            return
        errors = {update.key: error for update, error in doubtful}
        for update in left:
            self.refuse(update, _reason(errors[update.key]))

    def refuse(self, update: ItemUpdate, why: str) -> None:
        """Say that an update is refused for good."""
        self.run.logger.error("%s: %s, so it is not reported as '%s'. %s", update, why, update.status, TRY_AGAIN)
        self.run.tally.refused += 1
        self.run.acknowledgement.settle(update.line)

    def refuse_event(self, event: JobEvent, why: str) -> None:
        """Say that an event is refused for good."""
        self.run.logger.error("%s is not posted: %s", event, why)
        self.run.tally.refused += 1

    def start(self, job: ReportedJob) -> None:
        """Start a job that is `pending`, if the run does that."""
        if self.run.start_jobs and job.status == "pending" and job.writable:
            self.post_started(job, JobEvent(job.id, STARTED, {}))

    def post_started(self, job: ReportedJob, event: JobEvent) -> None:
        """Start a job; one that turns out to be started, or ended, is left as it is."""
        if self.run.dry_run:
            if not job.started:
                self.run.logger.info("Dry run: %s", event)
                self.run.tally.events[STARTED] += 1
            job.status, job.started = "in_progress", True
            return
        posted = False

        def post() -> None:
            nonlocal posted
            if job.status == "pending":
                with self.run.shielded():
                    posted = True
                    self.run.api.post(event)
                    job.status, job.started = "in_progress", True
                    self.run.tally.events[STARTED] += 1
            elif posted and not job.ended:
                self.run.tally.events[STARTED] += 1

        try:
            self.run.until_known(job, post)
        except RequestRefused as refusal:
            if not refusal.final:
                raise
            self.run.jobs.read_again(job)
            if job.status == "pending":
                job.closed = True
                self.refuse_event(event, f"Pleo refused it ({refusal.status}{refusal.detail})")

    def _send_open(
        self, job: ReportedJob, updates: Sequence[ItemUpdate], tried: set[bytes]
    ) -> list[tuple[ItemUpdate, UpdateError | None]]:
        """Send those updates whose items are open; return those of which the answer does not say that they are in."""
        wanted = self.still_open(job, updates, tried)
        if not job.writable:
            self._refuse_all(job, wanted)
        elif self.run.dry_run:
            for update in wanted:
                self._pretend(job, update)
        elif wanted:
            tried.update(update.key for update in wanted)
            with self.run.shielded():
                doubtful = self._take(job, wanted, tried, self._put(job, wanted))
                self.run.passed_on()
            return doubtful
        return []

    def _put(self, job: ReportedJob, updates: Sequence[ItemUpdate]) -> UpdateAnswer:
        try:
            return self.run.api.update(job.id, updates)
        except AnswerTooLarge as error:
            raise OutcomeUnknown("PUT", f"/v3/export-jobs/{job.id}/items", str(error)) from None

    def _take(
        self, job: ReportedJob, updates: Sequence[ItemUpdate], tried: set[bytes], answer: UpdateAnswer
    ) -> list[tuple[ItemUpdate, UpdateError | None]]:
        said = {key_of(row.accounting_entry_id): row.known for row in answer.data}
        errors = {key_of(error.accounting_entry_id): error for error in answer.errors or ()}
        doubtful = []
        for update in updates:
            known = said.get(update.key)
            error = errors.get(update.key)
            if error is None and known is not None and known.status == update.status:
                job.accept(update, known.external_id)
                if job.stance(update) is Stance.OTHER:
                    self.contradict(job, update)
                else:
                    self.have(update, ours=True)
                continue
            if error is not None:
                # Whatever Pleo has of it is not this request's doing.
                tried.discard(update.key)
            if error is not None and (error.type or "").upper() == NO_SUCH_ENTRY:
                self.refuse(update, _reason(error))
            else:
                doubtful.append((update, error))
        return doubtful

    def still_open(
        self, job: ReportedJob, updates: Sequence[ItemUpdate], tried: Collection[bytes] = ()
    ) -> list[ItemUpdate]:
        """Return the updates whose items are open, and settle the others by what Pleo has."""
        left = []
        for update in updates:
            if not self.run.acknowledgement.is_open(update.line):
                continue
            match job.stance(update):
                case Stance.OPEN:
                    left.append(update)
                case Stance.SAME:
                    self.have(update, ours=update.key in tried)
                case Stance.OTHER:
                    self.contradict(job, update)
        return left

    def have(self, update: ItemUpdate, *, ours: bool = False) -> None:
        """Note that Pleo has an update, by a request of this run or before."""
        self.run.tally.accepted += ours
        self.run.tally.already += not ours
        self.run.acknowledgement.settle(update.line)

    def contradict(self, job: ReportedJob, update: ItemUpdate) -> None:
        """Say that Pleo has another outcome of an update's item."""
        wanted = f"'{update.status}'" + (
            f" with externalId '{one_line(update.external_id)}'" if update.external_id else ""
        )
        known = job.items[update.key]
        self.run.logger.error(
            "%s: Pleo has it as %s, the update says %s, so it is not sent. See which of the two is true in the "
            "accounting system: a second entry there is to be removed, Pleo keeps what it has",
            update,
            one_line(str(known)),
            one_line(str(wanted)),
        )
        self.run.tally.refused += 1
        self.run.acknowledgement.settle(update.line)

    def _pretend(self, job: ReportedJob, update: ItemUpdate) -> None:
        if update.key not in job.items:
            self.refuse(update, "the export job has no such item")
            return
        reason = " ".join(f"{name} '{value}'" for name, value in update.details.items())
        self.run.logger.info("Dry run: %s, status '%s' %s", update, update.status, one_line(reason))
        job.suppose(update)
        self.have(update, ours=True)

    def _refused_whole(self, job: ReportedJob, updates: Sequence[ItemUpdate], refusal: RequestRefused) -> None:
        """Find out whose fault the refusal of a whole request is: the job's, or that of some updates."""
        if not refusal.final:
            raise refusal
        if has_ended(refusal):
            self.run.jobs.read_again(job)
            job.closed = True
            self._refuse_all(job, self.still_open(job, updates))
            return
        updates = self.still_open(job, updates)
        if len(updates) == 1:
            self.refuse(updates[0], f"Pleo refused it ({refusal.status}{refusal.detail})")
            return
        middle = len(updates) // 2
        for half in (updates[:middle], updates[middle:]):
            self.send(job, half)

    def _refuse_all(self, job: ReportedJob, updates: Sequence[ItemUpdate]) -> None:
        if not updates:
            return
        named = ", ".join(update.entry_id for update in updates[:NAMED_ITEMS])
        more = f" and {len(updates) - NAMED_ITEMS} more" if len(updates) > NAMED_ITEMS else ""
        remedy = (
            "In Pleo, export the entries again: that makes a new job"
            if job.ended
            else "Nothing more is written to it in this run; run again"
        )
        self.run.logger.error("%s: %d update(s) are refused, of %s%s. %s", job, len(updates), named, more, remedy)
        self.run.tally.refused += len(updates)
        for update in updates:
            self.run.acknowledgement.settle(update.line)


def _reason(error: UpdateError | None) -> str:
    if error is None:
        return "Pleo's answer does not mention it, twice"
    said = one_line(error.message or "")
    return f"Pleo refused it ({one_line(error.type or 'no type')}{' ' if said else ''}{said})"
