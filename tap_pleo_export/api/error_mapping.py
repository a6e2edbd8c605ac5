"""What failures of requests mean for what was being read: one export job, or a list that belongs to none."""

from __future__ import annotations

import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING

from tap_pleo_export.api.errors import (
    AnswerTooLarge,
    ContraAccountsMissing,
    CursorRejected,
    ItemUnusable,
    JobEnded,
    JobError,
    JobRefused,
    JobUnavailable,
    ListUnusable,
    PagingBroken,
    PleoUnavailable,
    RequestRefused,
)
from tap_pleo_export.api.paging import CursorStuckError
from tap_pleo_export.singer.record_decoder import UnusableRowError

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTRA_ACCOUNTS = "MISSING_CONTRA_ACCOUNTS"
ENDED = {HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}
# The only types that say so; others may mean that the request itself is at fault.
ENDED_TYPES = {"EXPORT_NOT_FOUND", "EXPORT_ENTRY_NOT_FOUND", "EXPORT_JOB_STATUS_UNPROCESSABLE"}


@contextlib.contextmanager
def of_list(name: str) -> Iterator[None]:
    """Turn failures of a list that belongs to no export job into the run's.

    Raises:
        ListUnusable: It cannot be read to its end.
    """
    try:
        yield
    except (AnswerTooLarge, CursorStuckError, RequestRefused) as error:
        raise ListUnusable(name, str(error)) from None


@contextlib.contextmanager
def of_job(job_id: str) -> Iterator[None]:
    """Turn failures of one export job's requests into that job's failures.

    Raises:
        JobError: What was being read of the job cannot be read.
    """
    try:
        yield
    except CursorStuckError as error:
        raise PagingBroken(job_id, str(error)) from None
    except UnusableRowError as error:
        raise ItemUnusable(job_id, "its record", [str(error)]) from None
    except PleoUnavailable as error:
        raise JobUnavailable(job_id, error) from None
    except AnswerTooLarge as error:
        raise JobRefused(job_id, error) from None
    except RequestRefused as refusal:
        raise _job_error(job_id, refusal) from None


@contextlib.contextmanager
def of_cursor(job_id: str, cursor: object) -> Iterator[None]:
    """Tell the refusal of a cursor from other refusals; None is no cursor.

    Raises:
        CursorRejected: Pleo does not accept the cursor; the job may be read from its first page.
    """
    try:
        yield
    except RequestRefused as refusal:
        about_job = refusal.type == CONTRA_ACCOUNTS or has_ended(refusal)
        if cursor is None or about_job or refusal.status < HTTPStatus.BAD_REQUEST:
            raise
        raise CursorRejected(job_id, refusal) from None


def has_ended(refusal: RequestRefused) -> bool:
    """Return whether Pleo refused a request because the job has ended, or is unknown."""
    return refusal.status in ENDED and refusal.type in ENDED_TYPES


def _job_error(job_id: str, refusal: RequestRefused) -> JobError:
    if has_ended(refusal):
        return JobEnded(job_id, f"{refusal.status}{refusal.detail}")
    if refusal.status == HTTPStatus.BAD_REQUEST and refusal.type == CONTRA_ACCOUNTS:
        return ContraAccountsMissing(job_id, refusal.message)
    return JobRefused(job_id, refusal)
