"""Errors of files; ``str()`` of each gives the reason in one line without any address."""

from __future__ import annotations


class DownloadFailed(Exception):
    """A file cannot be downloaded, however often it is tried."""


class StoreFailed(Exception):
    """A file was not stored; `refused` is whether every other file will probably be refused, too."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


class StoreUnusable(Exception):
    """The destination cannot be used at all; the text says what to do."""


class Stopped(Exception):
    """The run is ending: nothing new is started, and downloads and uploads are dropped."""
