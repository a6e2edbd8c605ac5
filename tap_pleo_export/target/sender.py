"""Sends the updates of one job until each is settled: accepted, reported before, or refused."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tap_pleo_export.api.entry_keys import key_of
from tap_pleo_export.api.errors import AnswerTooLarge, OutcomeUnknown, RequestRefused, has_ended
from tap_pleo_export.target.api import decode_response
from tap_pleo_export.target.jobs import Comparison
from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from tap_pleo_export.target.api import UpdateError, UpdateResponse
    from tap_pleo_export.target.jobs import ItemUpdate, ReportedJob
    from tap_pleo_export.target.run import ReportingRun

NO_SUCH_ENTRY = "ACCOUNTING_ENTRY_DOES_NOT_EXIST"


@dataclass(slots=True)
class _Task:
    """Updates to send in one request, at most one per item.

    Attributes:
        last: Whether updates still open after this request are refused.
        tried: Keys of the updates sent: if Pleo has their outcome later, this run reported it.
        unclear: Errors, if any, of the updates that Pleo's answer does not confirm.
    """

    updates: Sequence[ItemUpdate]
    last: bool = False
    tried: set[bytes] = field(default_factory=set)
    unclear: dict[bytes, UpdateError | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UpdateSender:
    """Sends updates, one request in flight."""

    run: ReportingRun

    def send(self, job: ReportedJob, updates: Sequence[ItemUpdate]) -> None:
        """Send updates of one job, at most one per item and as many as one request takes, until each is settled."""
        client = self.run.api.client
        tasks = [_Task(updates)]
        while tasks:
            task = tasks.pop()
            try:
                for attempt in self.run.attempts(job):
                    with attempt:
                        if not (wanted := self._sendable(job, task)):
                            continue
                        with self.run.shielded(), _large_answer_is_unknown(job):
                            answer = client.send(self.run.api.put(job.id, wanted))
                            self.apply_response(job, task, wanted, client.read(answer, decode_response))
                            self.run.pass_states()
                tasks += self._unclear_again(job, task)
            except RequestRefused as refusal:
                tasks += self._after_refusal(job, task, refusal)

    def open_updates(
        self, job: ReportedJob, updates: Iterable[ItemUpdate], tried: Collection[bytes] = ()
    ) -> list[ItemUpdate]:
        """Return the updates whose items are open; settle the others by Pleo's outcome."""
        outcomes = self.run.outcomes
        open_updates = []
        for update in updates:
            if not outcomes.acknowledgement.is_open(update.line):
                continue
            match job.compare(update):
                case Comparison.OPEN:
                    open_updates.append(update)
                case Comparison.REPORTED:
                    if update.key in tried:
                        job.sent[update.key] = update
                    outcomes.mark_accepted(update, already=update.key not in tried)
                case Comparison.CONFLICT:
                    outcomes.report_conflict(job, update)
        return open_updates

    def contradicted(self, job: ReportedJob) -> list[ItemUpdate]:
        """Compare this run's updates with a job just read again; return those that Pleo confirmed but has as open."""
        sent, job.sent = job.sent, {}
        for update in sent.values():
            self.run.outcomes.reopen(update)
        return self.open_updates(job, sent.values(), sent)

    def apply_response(
        self, job: ReportedJob, task: _Task, updates: Sequence[ItemUpdate], response: UpdateResponse
    ) -> None:
        """Settle the updates that Pleo's answer confirms or refuses for good; note the others as unclear."""
        accepted = {key_of(row.accounting_entry_id): row.outcome for row in response.data}
        errors = {key_of(error.accounting_entry_id): error for error in response.errors or ()}
        task.unclear.clear()
        for update in updates:
            outcome, error = accepted.get(update.key), errors.get(update.key)
            if error is not None:
                # If Pleo has the outcome later, this request did not cause it.
                task.tried.discard(update.key)
                if (error.type or "").upper() == NO_SUCH_ENTRY:
                    self.run.outcomes.refuse(update, _reason(error))
                    continue
            elif outcome is not None and outcome.status == update.status:
                job.accept(update, outcome.external_id)
                self.open_updates(job, [update], task.tried)
                continue
            task.unclear[update.key] = error

    def _sendable(self, job: ReportedJob, task: _Task) -> list[ItemUpdate]:
        """Return the updates to send now; settle those that cannot or, in a dry run, need not be sent."""
        updates = self.open_updates(job, task.updates, task.tried)
        if not job.writable:
            self.run.outcomes.refuse_all(job, updates)
            return []
        if self.run.dry_run:
            for update in updates:
                self._pretend(job, update)
            return []
        task.tried.update(update.key for update in updates)
        return updates

    def _pretend(self, job: ReportedJob, update: ItemUpdate) -> None:
        if update.key not in job.items:
            self.run.outcomes.refuse(update, "the export job has no such item")
            return
        details = " ".join(f"{name} '{value}'" for name, value in update.details.items())
        self.run.outcomes.logger.info("Dry run: %s, status '%s' %s", update, update.status, one_line(details))
        job.assume(update)
        self.run.outcomes.mark_accepted(update)

    def _unclear_again(self, job: ReportedJob, task: _Task) -> list[_Task]:
        """Let the control layer decide about unclear updates; send those still open again once, then refuse them."""
        if not task.unclear:
            return []
        self.run.api.read_items(job)
        unclear = [update for update in task.updates if update.key in task.unclear]
        updates = self.open_updates(job, unclear, task.tried)
        if not task.last:
            return [_Task(updates, last=True)]
        for update in updates:
            self.run.outcomes.refuse(update, _reason(task.unclear[update.key]))
        return []

    def _after_refusal(self, job: ReportedJob, task: _Task, refusal: RequestRefused) -> list[_Task]:
        """Refuse all updates if the job has ended; else halve the request until the updates at fault are alone."""
        if not refusal.final:
            raise refusal
        if has_ended(refusal):
            self.run.api.read_again(job)
            job.closed = True
            self.run.outcomes.refuse_all(job, self.open_updates(job, task.updates))
            return []
        updates = self.open_updates(job, task.updates)
        if len(updates) == 1:
            self.run.outcomes.refuse(updates[0], f"Pleo refused it ({refusal.status}{refusal.detail})")
            return []
        middle = len(updates) // 2
        return [_Task(updates[middle:]), _Task(updates[:middle])]


@contextlib.contextmanager
def _large_answer_is_unknown(job: ReportedJob) -> Iterator[None]:
    try:
        yield
    except AnswerTooLarge as error:
        raise OutcomeUnknown("PUT", f"/v3/export-jobs/{job.id}/items", str(error)) from None


def _reason(error: UpdateError | None) -> str:
    if error is None:
        return "Pleo's answer twice did not mention it"
    message = one_line(error.message or "")
    return f"Pleo refused it ({one_line(error.type or 'no type')}{' ' if message else ''}{message})"
