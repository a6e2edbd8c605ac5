"""Export jobs for tests without a sandbox."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tap_pleo_export.api.jobs import ExportJob

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
START = NOW.timestamp()


def job(name: str = "j1", items: int | None = 20, left: int = 50) -> ExportJob:
    """Return a pending job with ``left`` minutes to its expiry."""
    created_at, expires_at = NOW - timedelta(minutes=60 - left), NOW + timedelta(minutes=left)
    return ExportJob(name, "pending", created_at, expires_at, items)
