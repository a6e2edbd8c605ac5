"""What can go wrong between the connector and Pleo, each with one remedy.

::

    PleoError
    ├── FatalError                  ends the run at once, exit code 1
    │   ├── CredentialsRejected     401 that a refresh does not cure
    │   ├── TokenRefreshFailed      the token endpoint refused or did not answer
    │   ├── TokenFileUnusable       `token_file` cannot be read or written
    │   ├── ScopeMissing            403
    │   ├── NetworkUnusable         certificates or a proxy of the environment
    │   ├── ListUnusable            a list that belongs to no job cannot be read to its end
    │   ├── OutcomeUnknown          a write that may or may not have been applied
    │   ├── PleoUnavailable         a retryable failure that outlived its retries
    │   └── RunUnavailable          the same on two export jobs in a row
    ├── CursorStuckError            a page that does not lead to the next one; the caller knows what it means
    ├── AnswerTooLarge              cut off: the caller knows what it means for the job
    ├── RequestRefused              another 4xx or 3xx; the caller knows what it means for the job
    ├── JobError                    one job is given up, the others go on, exit code 1 at the end
    │   ├── ContraAccountsMissing   400 MISSING_CONTRA_ACCOUNTS
    │   ├── JobEnded                404 or 422: its items can no longer be read
    │   ├── UnreadJobEnded          it ended between two runs, not read to its end
    │   ├── WrongJob                an answer about another job
    │   ├── JobRefused              another refusal of one job's requests
    │   ├── CursorRejected          a cursor that Pleo no longer accepts, even after a restart
    │   ├── PagingBroken            pages that lead nowhere or in a circle
    │   ├── ItemUnusable            items that cannot be represented; the others of the job are read
    │   ├── Disagreement            job items and export items differ
    │   └── JobUnavailable          a retryable failure of one job's requests that outlived its retries
    ├── RowsUnusable                rows of such a list that cannot be read; the others are
    └── TransientFailure            retried by the client, never seen outside it

Every message is one line: what happened, to which job or request, what to do. Statuses and types are those of
the Export API v3 (OpenAPI schema ``ExceptionInfo``); they are matched case-insensitively, messages are only quoted.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from tap_pleo_export.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMED_ROWS = 10
SAFE_METHODS = {"GET", "HEAD"}
"""Methods that change nothing, so that a request may be sent again after any failure."""
CHECK_ADDRESS = "check api_url"
"""What to do where something else than Pleo seems to have answered, or nothing at all."""
# Without a type of Pleo's own they come from whoever is at that address.
NOT_PLEOS = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE}


class PleoError(Exception):
    """Base of all errors of this package; ``str()`` is the line a user reads."""


class FatalError(PleoError):
    """No job can be read any further."""


class CredentialsRejected(FatalError):
    """401: Pleo does not accept the credential."""

    def __init__(self, path: str, remedy: str) -> None:
        super().__init__(f"Pleo rejected the credentials (401 on {path}): {remedy}")


class TokenRefreshFailed(FatalError):
    """The OAuth token endpoint gave no new access token."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"The OAuth token could not be refreshed: {what}. {remedy}")


class TokenFileUnusable(FatalError):
    """`token_file` cannot be read or written."""

    def __init__(self, path: str, what: str, remedy: str) -> None:
        super().__init__(f"Setting 'token_file' ({path}): {what}. {remedy}")


class ScopeMissing(FatalError):
    """403: the credential lacks a scope, or access to the company.

    Args:
        path: Path of the request.
        scope: The OAuth scope that it needs, as far as it is known.
        scopes: The scopes of all requests of this run.
    """

    def __init__(self, path: str, scope: str | None, scopes: Iterable[str]) -> None:
        lacks = f"the scope '{scope}'" if scope else "its scope"
        super().__init__(
            f"Pleo refused access (403 on {path}): the credential lacks {lacks} or access to this company. "
            f"Grant the scopes {' and '.join(repr(s) for s in sorted(scopes))}"
        )


class NetworkUnusable(FatalError):
    """The environment's certificates or proxy make requests impossible, however often they are tried.

    Attributes:
        what: What is wrong.
    """

    def __init__(self, what: str, remedy: str) -> None:
        self.what = what
        super().__init__(f"Pleo cannot be reached from here: {what}. {remedy}")


class ListUnusable(FatalError):
    """A list that belongs to no export job cannot be read to its end."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"The list of {name} cannot be read: {what}. Run again; report it to Pleo if it stays")


class OutcomeUnknown(FatalError):
    """A request that changes something got no answer, or an unreadable one: it may have taken effect.

    Attributes:
        what: Which request, and why its outcome is unknown.
        retry_after: Seconds that Pleo asked to wait, or None.
    """

    def __init__(self, method: str, path: str, cause: str, retry_after: float | None = None) -> None:
        self.what = f"Outcome unknown: {method} {path} may or may not have been applied ({cause})"
        self.retry_after = retry_after
        super().__init__(f"{self.what}. Run again: the target checks Pleo's state first")


class PleoUnavailable(FatalError):
    """A retryable failure that outlived its retries."""

    def __init__(self, method: str, path: str, attempts: int, cause: str) -> None:
        super().__init__(
            f"Pleo did not answer {method} {path}, given up after {attempts} attempt{'s' if attempts > 1 else ''}; "
            f"last cause: {cause}. Run again later: it goes on where it stopped"
        )


class RunUnavailable(FatalError):
    """Two export jobs in a row met retryable failures that outlived their retries."""

    def __init__(self) -> None:
        super().__init__(
            "Two export jobs in a row could not be read, see above: the other jobs are not tried. "
            "Run again later: it goes on where it stopped"
        )


class AnswerTooLarge(PleoError):
    """An answer beyond the memory lent to it; asking again would bring the same."""


class CursorStuckError(PleoError):
    """A page claims a next one but does not lead to it; ``str()`` says how."""


class RequestRefused(PleoError):
    """A status that is neither success nor retryable.

    Attributes:
        status: The HTTP status.
        type: ``ExceptionInfo.type`` in upper case, or an empty string.
        message: ``ExceptionInfo.message`` shortened to one line, or an empty string.
        after_cursor: Whether the request was for the page after a cursor, so that the cursor may be at fault.
    """

    def __init__(self, method: str, path: str, status: int, type_: str, message: str) -> None:
        self.after_cursor = False
        self.status = status
        self.type = one_line(type_.upper())
        self.message = one_line(message)
        elsewhere = not self.final or (not self.type and status in NOT_PLEOS)
        hint = f", which is no answer of Pleo's API: {CHECK_ADDRESS}" if elsewhere else ""
        super().__init__(f"Pleo refused {method} {path} ({status}{self.detail}){hint}")

    @property
    def final(self) -> bool:
        """Whether Pleo itself refused it; a redirect, which is never followed, says that the way to Pleo is wrong."""
        return self.status >= HTTPStatus.BAD_REQUEST

    @property
    def detail(self) -> str:
        """Type and message as Pleo sent them, for the end of a sentence."""
        return "".join(f" {part}" for part in (self.type, self.message) if part)


class TransientFailure(PleoError):
    """A failure worth another attempt.

    Attributes:
        retry_after: Seconds that Pleo asked to wait, or None.
        no_effect: Whether the request certainly changed nothing: it never left, or was turned away.
        misdirected: Whether the address may be wrong: nothing answered there, or not what was expected.
    """

    def __init__(
        self, cause: str, retry_after: float | None = None, *, no_effect: bool = False, misdirected: bool = False
    ) -> None:
        self.retry_after = retry_after
        self.no_effect = no_effect
        self.misdirected = misdirected
        super().__init__(one_line(cause))


class JobError(PleoError):
    """One job is given up; the others go on.

    Attributes:
        job_id: The export job's id.
    """

    def __init__(self, job_id: str, text: str) -> None:
        self.job_id = job_id
        super().__init__(f"Export job {job_id}: {text}")


class ContraAccountsMissing(JobError):
    """400 MISSING_CONTRA_ACCOUNTS (Pleo's how-to "resolve missing contra accounts")."""

    def __init__(self, job_id: str, message: str) -> None:
        super().__init__(
            job_id,
            f"skipped, MISSING_CONTRA_ACCOUNTS: {message or 'contra accounts are not fully configured.'} "
            "Set them in Pleo under Settings > Accounting > Contra accounts, then run again",
        )


class JobEnded(JobError):
    """404 or 422: the job is finished, expired or gone (``EXPORT_JOB_STATUS_UNPROCESSABLE``, ``EXPORT_NOT_FOUND``)."""

    def __init__(self, job_id: str, what: str) -> None:
        super().__init__(
            job_id,
            f"its items cannot be read any more ({what}). In Pleo, export them again: that makes a new job",
        )


class UnreadJobEnded(JobError):
    """A job ended between two runs, before all its items were read."""

    def __init__(self, job_id: str, what: str, items: int) -> None:
        super().__init__(
            job_id,
            f"it ended before all its items were read ({what}); {items} had been read, the others can no longer be "
            "had. In Pleo, export them again: that makes a new job",
        )


class WrongJob(JobError):
    """Pleo answers about another export job than the one asked for."""

    def __init__(self, job_id: str, what: str, named: object) -> None:
        super().__init__(
            job_id, f"{what} is of another job, {one_line(str(named))}; nothing more is read of it. Report it to Pleo"
        )


class JobRefused(JobError):
    """Another refusal of one job's requests, or an answer that cannot be taken."""

    def __init__(self, job_id: str, refusal: RequestRefused | AnswerTooLarge) -> None:
        super().__init__(job_id, f"{refusal}. Run again; report it to Pleo if it stays")


class CursorRejected(JobError):
    """A cursor that Pleo does not accept: 400 or 410 on a page other than the first."""

    def __init__(self, job_id: str, refusal: RequestRefused) -> None:
        super().__init__(job_id, f"Pleo no longer accepts the cursor of a page ({refusal.status}{refusal.detail})")


class PagingBroken(JobError):
    """Pages that claim to go on without leading further."""

    def __init__(self, job_id: str, what: str) -> None:
        super().__init__(
            job_id,
            f"{what}; reading stopped rather than loop or skip. Run again; report it to Pleo if it stays",
        )


class ItemUnusable(JobError):
    """Items, or a job, that cannot be represented as records."""

    def __init__(self, job_id: str, where: str, rows: list[str]) -> None:
        super().__init__(job_id, f"{where}: {_first_few(rows)}. Report it to Pleo; the job stays incomplete")


class RowsUnusable(PleoError):
    """Rows, of a list that belongs to no export job, that cannot be represented as records."""

    def __init__(self, name: str, rows: list[str]) -> None:
        others = name.rsplit(maxsplit=1)[-1]
        super().__init__(f"The list of {name}: {_first_few(rows)}. Report it to Pleo; the other {others} are read")


class Disagreement(JobError):
    """Job items and export items list different ids, twice."""

    def __init__(self, job_id: str, what: str) -> None:
        super().__init__(
            job_id, f"Pleo's job items and export items disagree: {what}. The job stays incomplete; run again"
        )


class JobUnavailable(JobError):
    """A retryable failure of one job's requests that outlived its retries."""

    def __init__(self, job_id: str, cause: PleoUnavailable) -> None:
        super().__init__(job_id, str(cause))


def _first_few(rows: list[str]) -> str:
    shown = "; ".join(rows[:NAMED_ROWS])
    return shown if len(rows) <= NAMED_ROWS else f"{shown}; and {len(rows) - NAMED_ROWS} more"
