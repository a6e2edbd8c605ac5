"""The error of the report."""

from __future__ import annotations


class ReportError(Exception):
    """The report cannot be made. The message is one line: what happened, and what to do."""
