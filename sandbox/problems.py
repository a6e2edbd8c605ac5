"""Pleo's errors: status, ``type`` and ``message`` of an ``ExceptionInfo`` body (OpenAPI)."""

from __future__ import annotations

from http import HTTPStatus


class Problem(Exception):
    """An error response."""

    def __init__(self, status: int, type_: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"type": type_, "message": message}


# The documented errors: the arguments of Problem.
JOB_NOT_FOUND = (404, "EXPORT_NOT_FOUND", "Export job not found.")
ITEMS_OF_FINISHED_JOB = (
    422, "EXPORT_JOB_STATUS_UNPROCESSABLE", "Export Job is finished and can no longer be processed."
)  # fmt: skip
UPDATE_OF_FINISHED_JOB = (422, "EXPORT_JOB_STATUS_UNPROCESSABLE", "Export job is finished.")
TOO_MANY_UPDATES = (413, "EXPORT_JOB_ITEMS_UPDATE_LIMIT", "Number of items to update is more than 100.")
ILLEGAL_EVENT = (422, "INVALID_EXPORT_JOB_STATUS_CHANGE", "Export Job status change failed")


def undocumented(status: int, message: str) -> Problem:
    """Return an error whose body Pleo does not document (401, 403, other 400s)."""
    return Problem(status, HTTPStatus(status).name, message)
