"""Errors between the connector and Pleo, each with one remedy.

:class:`FatalError` ends the run at once, :class:`JobError` the reading of one job; either means exit code 1. The other
errors concern one request: :func:`as_job_error` and :func:`as_list_error` give them their meaning.

Every message is one line: the event, the job or request, and the remedy. Statuses and types are those of
the Export API v3 (OpenAPI schema ``ExceptionInfo``); they are matched case-insensitively, messages are only quoted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from http import HTTPStatus

from tap_pleo_export.text import one_line

NAMED_ROWS = 10
SAFE_METHODS = {"GET", "HEAD"}
"""Methods that change nothing, so that a request may be sent again after any failure."""
CHECK_ADDRESS = "check api_url"
"""What to do if something other than Pleo seems to have answered, or nothing."""
# Without one of Pleo's types, these come from another server at that address.
NOT_PLEOS = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE}
CONTRA_ACCOUNTS = "MISSING_CONTRA_ACCOUNTS"
ENDED = {HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}
# Other types of these statuses may mean that the request itself is at fault.
ENDED_TYPES = {"EXPORT_NOT_FOUND", "EXPORT_ENTRY_NOT_FOUND", "EXPORT_JOB_STATUS_UNPROCESSABLE"}
AGAIN = "Run again; report it to Pleo if it persists"
EXPORT_AGAIN = "Export them again in Pleo (this creates a new job)"


class PleoError(Exception):
    """Base of all errors of this package; ``str()`` is the line a user reads.

    Attributes:
        text: The line, with a place for each argument.
    """

    text = "{}"

    def __init__(self, *arguments: object) -> None:
        super().__init__(self.text.format(*arguments))


class FatalError(PleoError):
    """No job can be read any further."""


class CredentialsRejected(FatalError):
    """401: Pleo does not accept the credential. Arguments: path, remedy."""

    text = "Pleo rejected the credentials (401 on {}): {}"


class TokenRefreshFailed(FatalError):
    """The OAuth token endpoint gave no new access token. Arguments: cause, remedy."""

    text = "The OAuth token could not be refreshed: {}. {}"


class TokenFileUnusable(FatalError):
    """`token_file` cannot be read or written. Arguments: path, problem, remedy."""

    text = "Setting 'token_file' ({}): {}. {}"


class ScopeMissing(FatalError):
    """403: the credential lacks a scope, or access to the company.

    Args:
        path: Path of the request.
        scope: The OAuth scope that it needs, if known.
        scopes: The scopes of all requests of this run.
    """

    text = "Pleo refused access (403 on {}): the credential lacks {} or access to this company. Grant the scopes {}"

    def __init__(self, path: str, scope: str | None, scopes: Iterable[str]) -> None:
        lacks = f"the scope '{scope}'" if scope else "its scope"
        super().__init__(path, lacks, " and ".join(repr(s) for s in sorted(scopes)))


class NetworkUnusable(FatalError):
    """The environment's certificates or proxy make requests impossible, however often they are tried.

    Attributes:
        what: The problem.
    """

    text = "Pleo cannot be reached from here: {}. {}"

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        super().__init__(what, remedy)


class ListUnusable(FatalError):
    """A list that belongs to no export job cannot be read to its end. Arguments: its name, the problem."""

    text = f"The list of {{}} cannot be read: {{}}. {AGAIN}"


class OutcomeUnknown(FatalError):
    """A request that changes something got no answer, or an unreadable one: it may have been applied.

    Attributes:
        what: Which request, and why its outcome is unknown.
        retry_after: Seconds that Pleo asked to wait, or None.
    """

    def __init__(self, method: str, path: str, cause: str, retry_after: float | None = None) -> None:
        self.what = f"Outcome unknown: {method} {path} may or may not have been applied ({cause})"
        self.retry_after = retry_after
        super().__init__(f"{self.what}. Run again: the target checks Pleo's state first")


class PleoUnavailable(FatalError):
    """A retryable failure that outlived its retries. Arguments: method, path, attempts, cause."""

    text = (
        "Pleo did not answer {} {}, given up after {}; last cause: {}. Run again later: it continues where it stopped"
    )


class RunUnavailable(FatalError):
    """Two export jobs in a row met retryable failures that outlived their retries."""

    text = (
        "Two export jobs in a row could not be read, see above: the other jobs are not tried. "
        "Run again later: it continues where it stopped"
    )


class JobError(PleoError):
    """One job is given up; the others continue. Arguments: its id, and what else its line has a place for.

    Attributes:
        job_id: The export job's id.
    """

    text = "Export job {}: {}"

    def __init__(self, job_id: str, *arguments: object) -> None:
        self.job_id = job_id
        super().__init__(job_id, *arguments)


class ContraAccountsMissing(JobError):
    """400 MISSING_CONTRA_ACCOUNTS (Pleo's how-to "resolve missing contra accounts")."""

    text = (
        "Export job {}: skipped, MISSING_CONTRA_ACCOUNTS: {} "
        "Set them in Pleo under Settings > Accounting > Contra accounts, then run again"
    )


class JobEnded(JobError):
    """404 or 422: the job is finished, expired or gone (``EXPORT_JOB_STATUS_UNPROCESSABLE``, ``EXPORT_NOT_FOUND``)."""

    text = f"Export job {{}}: its items can no longer be read ({{}}). {EXPORT_AGAIN}"


class UnreadJobEnded(JobError):
    """A job ended between two runs, before all its items were read."""

    text = (
        "Export job {}: it ended before all its items were read ({}); {} items were read, the rest are no longer "
        f"available. {EXPORT_AGAIN}"
    )


class WrongJob(JobError):
    """Pleo answers about another export job than the one asked for."""

    text = "Export job {}: {} belongs to another job, {}; reading of this job stopped. Report it to Pleo"

    def __init__(self, job_id: str, what: str, named: object) -> None:
        super().__init__(job_id, what, one_line(str(named)))


class JobRefused(JobError):
    """Another refusal of one job's requests, or an answer that cannot be used."""

    text = f"Export job {{}}: {{}}. {AGAIN}"


class CursorRejected(JobError):
    """A cursor that Pleo does not accept: 400 or 410 on a page other than the first."""

    text = "Export job {}: Pleo no longer accepts the cursor of a page ({})"


class PagingBroken(JobError):
    """Pages that claim to continue without leading further."""

    text = f"Export job {{}}: {{}}; reading stopped rather than loop or skip. {AGAIN}"


class ItemUnusable(JobError):
    """Items, or a job, that cannot be represented as records."""

    text = "Export job {}: {}: {}. Report it to Pleo; the job stays incomplete"

    def __init__(self, job_id: str, where: str, rows: list[str]) -> None:
        super().__init__(job_id, where, _first_few(rows))


class Disagreement(JobError):
    """Job items and export items list different ids, twice."""

    text = "Export job {}: Pleo's job items and export items disagree: {}. The job stays incomplete; run again"


class JobUnavailable(JobError):
    """A retryable failure of one job's requests that outlived its retries."""


class RowsUnusable(PleoError):
    """Rows, of a list that belongs to no export job, that cannot be represented as records."""

    text = "The list of {}: {}. Report it to Pleo; the other {} are read"

    def __init__(self, name: str, rows: list[str]) -> None:
        super().__init__(name, _first_few(rows), name.rsplit(maxsplit=1)[-1])


class CursorStuckError(PleoError):
    """A page claims a next one but does not lead to it; ``str()`` says how."""


class AnswerTooLarge(PleoError):
    """An answer beyond its size limit; asking again would bring the same."""


class RequestRefused(PleoError):
    """A status that is neither success nor retryable.

    Attributes:
        status: The HTTP status.
        type: ``ExceptionInfo.type`` in upper case, or an empty string.
        message: ``ExceptionInfo.message`` shortened to one line, or an empty string.
        detail: Type and message as Pleo sent them, each after a space.
        final: Whether Pleo itself refused it; a redirect, which is never followed, means a wrong address.
        after_cursor: Whether the request was for the page after a cursor, so that the cursor may be at fault.
    """

    def __init__(self, method: str, path: str, status: int, type_: str, message: str) -> None:
        self.after_cursor = False
        self.status = status
        self.type = one_line(type_.upper())
        self.message = one_line(message)
        self.detail = "".join(f" {part}" for part in (self.type, self.message) if part)
        self.final = status >= HTTPStatus.BAD_REQUEST
        elsewhere = not self.final or (not self.type and status in NOT_PLEOS)
        hint = f", which does not look like Pleo's API: {CHECK_ADDRESS}" if elsewhere else ""
        super().__init__(f"Pleo refused {method} {path} ({status}{self.detail}){hint}")


class TransientFailure(PleoError):
    """A failure worth another attempt.

    Attributes:
        retry_after: Seconds that Pleo asked to wait, or None.
        no_effect: Whether the request certainly changed nothing: it never left, or was turned away.
        misdirected: Whether the address may be wrong: nothing answered there, or something unexpected did.
    """

    def __init__(
        self, cause: str, retry_after: float | None = None, *, no_effect: bool = False, misdirected: bool = False
    ) -> None:
        self.retry_after = retry_after
        self.no_effect = no_effect
        self.misdirected = misdirected
        super().__init__(one_line(cause))


@contextlib.contextmanager
def as_list_error(name: str) -> Iterator[None]:
    """Raise failures of a list that belongs to no export job as :class:`ListUnusable`."""
    try:
        yield
    except (AnswerTooLarge, CursorStuckError, RequestRefused) as error:
        raise ListUnusable(name, error) from None


@contextlib.contextmanager
def as_job_error(job_id: str) -> Iterator[None]:
    """Raise failures of one export job's requests as a :class:`JobError`.

    After a :class:`CursorRejected` the job may be read again from its first page.
    """
    try:
        yield
    except CursorStuckError as error:
        raise PagingBroken(job_id, error) from None
    except PleoUnavailable as error:
        raise JobUnavailable(job_id, error) from None
    except AnswerTooLarge as error:
        raise JobRefused(job_id, error) from None
    except RequestRefused as refusal:
        raise _job_error(job_id, refusal) from None


def has_ended(refusal: RequestRefused) -> bool:
    """Return whether Pleo refused a request because the job has ended or is unknown."""
    return refusal.status in ENDED and refusal.type in ENDED_TYPES


def _job_error(job_id: str, refusal: RequestRefused) -> JobError:
    if has_ended(refusal):
        return JobEnded(job_id, f"{refusal.status}{refusal.detail}")
    contra_accounts = refusal.type == CONTRA_ACCOUNTS
    if refusal.after_cursor and refusal.final and not contra_accounts:
        return CursorRejected(job_id, f"{refusal.status}{refusal.detail}")
    if refusal.status == HTTPStatus.BAD_REQUEST and contra_accounts:
        return ContraAccountsMissing(job_id, refusal.message or "contra accounts are not fully configured.")
    return JobRefused(job_id, refusal)


def _first_few(rows: list[str]) -> str:
    shown = "; ".join(rows[:NAMED_ROWS])
    return shown if len(rows) <= NAMED_ROWS else f"{shown}; and {len(rows) - NAMED_ROWS} more"
