"""Errors of files; ``str()`` of each gives the reason in one line without any address."""

from __future__ import annotations

from tap_pleo_export.api.errors import TransientFailure


class DownloadFailed(Exception):
    """A file cannot be downloaded, however often it is tried."""


class TooShort(TransientFailure):
    """A whole answer has fewer bytes than Pleo states: the file is at fault, not its host."""


class StoreFailed(Exception):
    """A file was not stored; `too_large` is whether the store may still accept smaller ones."""

    def __init__(self, reason: str, *, too_large: bool = False) -> None:
        super().__init__(reason)
        self.too_large = too_large


class StoreUnusable(Exception):
    """The destination cannot be used at all; the text says what to do."""


class Stopped(Exception):
    """The run is ending: nothing new is started, and downloads and uploads are dropped."""
