"""The meaning of failed requests: for one export job, or for a list that belongs to none."""

from __future__ import annotations

import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING

from tap_pleo_export.api.errors import (
    AnswerTooLarge,
    ContraAccountsMissing,
    CursorRejected,
    CursorStuckError,
    JobEnded,
    JobError,
    JobRefused,
    JobUnavailable,
    ListUnusable,
    PagingBroken,
    PleoUnavailable,
    RequestRefused,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTRA_ACCOUNTS = "MISSING_CONTRA_ACCOUNTS"
ENDED = {HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}
# Other types of these statuses may mean that the request itself is at fault.
ENDED_TYPES = {"EXPORT_NOT_FOUND", "EXPORT_ENTRY_NOT_FOUND", "EXPORT_JOB_STATUS_UNPROCESSABLE"}


@contextlib.contextmanager
def as_list_error(name: str) -> Iterator[None]:
    """Turn failures of a list that belongs to no export job into failures of the run.

    Raises:
        ListUnusable: It cannot be read to its end.
    """
    try:
        yield
    except (AnswerTooLarge, CursorStuckError, RequestRefused) as error:
        raise ListUnusable(name, str(error)) from None


@contextlib.contextmanager
def as_job_error(job_id: str) -> Iterator[None]:
    """Turn failures of one export job's requests into failures of that job.

    Raises:
        JobError: The job's data cannot be read.
        CursorRejected: Pleo does not accept a cursor; the job may be read from its first page.
    """
    try:
        yield
    except CursorStuckError as error:
        raise PagingBroken(job_id, str(error)) from None
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
        return CursorRejected(job_id, refusal)
    if refusal.status == HTTPStatus.BAD_REQUEST and contra_accounts:
        return ContraAccountsMissing(job_id, refusal.message)
    return JobRefused(job_id, refusal)
