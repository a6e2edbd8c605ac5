"""What failures of requests mean for what was being read: one export job, or a list that belongs to none."""

from __future__ import annotations

import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING

from tap_pleo_export.pleo.errors import (
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
from tap_pleo_export.pleo.pages import CursorStuckError
from tap_pleo_export.records.shape import UnusableRowError

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTRA_ACCOUNTS = "MISSING_CONTRA_ACCOUNTS"
REFUSED_CURSOR = {HTTPStatus.BAD_REQUEST, HTTPStatus.GONE}
ENDED = {HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}


@contextlib.contextmanager
def of_list(name: str) -> Iterator[None]:
    """Turn failures of a list that belongs to no export job into the run's.

    Raises:
        ListUnusable: It cannot be read to its end.
    """
    try:
        yield
    except (CursorStuckError, RequestRefused) as error:
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
        if cursor is None or refusal.status not in REFUSED_CURSOR or refusal.type == CONTRA_ACCOUNTS:
            raise
        raise CursorRejected(job_id, refusal) from None


def _job_error(job_id: str, refusal: RequestRefused) -> JobError:
    if refusal.status in ENDED:
        return JobEnded(job_id, f"{refusal.status}{refusal.detail}")
    if refusal.status == HTTPStatus.BAD_REQUEST and refusal.type == CONTRA_ACCOUNTS:
        return ContraAccountsMissing(job_id, refusal.message)
    return JobRefused(job_id, refusal)
