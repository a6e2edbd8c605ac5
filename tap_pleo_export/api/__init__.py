"""Pleo's Export API v3, usable without Singer: :class:`PleoApi`, its jobs and its errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_pleo_export.api.errors import FatalError, JobError, PleoError
from tap_pleo_export.api.jobs import ExportJob

if TYPE_CHECKING:
    from tap_pleo_export.api.pleo_api import PleoApi

__all__ = ["ExportJob", "FatalError", "JobError", "PleoApi", "PleoError"]


def __getattr__(name: str) -> type[PleoApi]:
    """Import the client on first use: `--discover`, for example, starts faster without HTTP."""
    if name != "PleoApi":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tap_pleo_export.api.pleo_api import PleoApi  # noqa: PLC0415 - see above

    return PleoApi
